"""Probes that measure, one file each."""
