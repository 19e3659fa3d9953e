"""Labellers, one a file; each is found by where it lies."""
