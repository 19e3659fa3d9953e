"""Checkpoint formats of models made elsewhere."""
