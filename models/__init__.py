"""Tasks, model families, constructions, symmetries, training and checkpoints.

The short face of the package: `load` and `construct` give a `HookedTransformer`.
"""

from models.checkpoints import load, read_meta, save
from models.constructions import CONSTRUCTIONS, construct
from models.counting import ARCHITECTURES, CountingConfig, TrainingPlan, train
from models.errors import MechprobeError
from models.hooked import HookedTransformer
from models.tasks import HistogramTask, Task

__all__ = [
    "ARCHITECTURES",
    "CONSTRUCTIONS",
    "CountingConfig",
    "HistogramTask",
    "HookedTransformer",
    "MechprobeError",
    "Task",
    "TrainingPlan",
    "construct",
    "load",
    "read_meta",
    "save",
    "train",
]
