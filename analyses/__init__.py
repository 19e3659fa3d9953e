"""Runnable studies, sweeps and the command line: they compose models, probes and reports."""
