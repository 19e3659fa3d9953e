"""Probes that read: one file a probe, all imported by the registry."""
