"""The page on how mechanisms form in training. Reads snapshots; knows nothing of models."""
