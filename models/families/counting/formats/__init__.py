"""Checkpoint formats of counting transformers."""
