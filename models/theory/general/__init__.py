"""Theory beyond rank one and two tokens."""
