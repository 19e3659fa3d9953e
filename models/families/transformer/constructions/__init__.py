"""Hand-built transformers with positions, heads or depth; each file is found by the registry."""
