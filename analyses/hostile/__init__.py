"""Checkpoints made bad on purpose, for `analyses.hostile_checkpoints` and the tests."""

from analyses.hostile.cases import Case, make_cases

__all__ = ["Case", "make_cases"]
