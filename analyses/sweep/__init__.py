"""Sweeps: a grid of counting models trained, evaluated, probed and labelled; stop and go on."""

from analyses.sweep.grid import Grid, Member
from analyses.sweep.run import sweep

__all__ = ["Grid", "Member", "sweep"]
