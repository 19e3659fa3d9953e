"""Sweeps: a grid of counting models trained, evaluated, probed and labelled; stop and go on."""

from mechprobe.analyses.sweeps.grid import Grid, Member
from mechprobe.analyses.sweeps.run import sweep

__all__ = ["Grid", "Member", "sweep"]
