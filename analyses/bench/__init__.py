"""Benchmarks: speed, labels, calibration, hostile checkpoints."""
