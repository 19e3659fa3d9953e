"""The solvable attention model: shape, weights, forward pass, training, linear baseline."""

from mechprobe.models.base.weights import Weights
from mechprobe.models.families.solvable.baseline import (
    LinearBaseline,
    linear_baseline,
    linear_population,
)
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.models.families.solvable.data import Dataset
from mechprobe.models.families.solvable.forward import forward
from mechprobe.models.families.solvable.lbfgs import Fit, minimise
from mechprobe.models.families.solvable.overlaps import Overlaps, overlaps
from mechprobe.models.families.solvable.planted import planted
from mechprobe.models.families.solvable.problems import Problems
from mechprobe.models.families.solvable.training import Trajectory, descend, start
from mechprobe.models.families.solvable.weights import (
    check,
    initial,
    positions,
    shapes,
    task_of,
    teacher,
)

__all__ = [
    "Dataset",
    "Fit",
    "LinearBaseline",
    "Overlaps",
    "Problems",
    "SolvableConfig",
    "Trajectory",
    "Weights",
    "check",
    "descend",
    "forward",
    "initial",
    "linear_baseline",
    "linear_population",
    "minimise",
    "overlaps",
    "planted",
    "positions",
    "shapes",
    "start",
    "task_of",
    "teacher",
]
