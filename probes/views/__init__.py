"""How results are shown: as tables, as figures, in notebooks."""
