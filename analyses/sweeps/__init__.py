"""Sweeps: a grid of counting models trained, evaluated, probed and labelled; stop and go on."""

from mechprobe.analyses.sweeps.grid import Grid, Member
from mechprobe.analyses.sweeps.run import sweep
from mechprobe.analyses.sweeps.table import read_frame

__all__ = ["Grid", "Member", "read_frame", "sweep"]
