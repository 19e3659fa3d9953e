"""The solvable attention model: shape, weights, forward pass, training, linear baseline."""

from models.solvable.baseline import LinearBaseline, linear_baseline, linear_population
from models.solvable.config import SolvableConfig
from models.solvable.data import Dataset
from models.solvable.forward import forward
from models.solvable.lbfgs import Fit, minimise
from models.solvable.overlaps import Overlaps, overlaps
from models.solvable.planted import planted
from models.solvable.problems import Problems
from models.solvable.training import Trajectory, descend, start
from models.solvable.weights import check, initial, positions, shapes, task_of, teacher
from models.weights import Weights

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
