"""Probes, causal checks and labels of models that count."""
