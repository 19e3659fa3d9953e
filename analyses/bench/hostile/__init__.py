"""Checkpoints made bad on purpose, for the benchmark of hostile checkpoints and the tests."""

from mechprobe.analyses.bench.hostile.cases import Case, make_cases

__all__ = ["Case", "make_cases"]
