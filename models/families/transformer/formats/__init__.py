"""Checkpoint formats of transformers with positions."""
