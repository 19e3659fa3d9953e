"""Probes that intervene through hooks: one file a causal check, all imported by the registry."""
