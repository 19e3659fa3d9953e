"""Probes that intervene, one file each."""
