"""Probes, causal checks and labels of students of a teacher attention."""
