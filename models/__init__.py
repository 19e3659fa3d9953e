"""Tasks, model families, constructions, symmetries, training and checkpoints.

The short face of the package: `load` and `construct` give a `HookedTransformer`.
"""

from models.checkpoints import load, read_meta, save
from models.constructions import CONSTRUCTIONS, construct
from models.counting import (
    ARCHITECTURES,
    PRESETS,
    CountingConfig,
    Trained,
    Trainee,
    TrainingPlan,
    train,
)
from models.errors import MechprobeError
from models.foreign import ForeignTransformer, TaskDescription, wrap
from models.hooked import HookedTransformer
from models.solvable import SolvableConfig
from models.tasks import AttentionRegression, HistogramTask, Task
from models.transformer import TransformerConfig

__all__ = [
    "ARCHITECTURES",
    "CONSTRUCTIONS",
    "PRESETS",
    "AttentionRegression",
    "CountingConfig",
    "ForeignTransformer",
    "HistogramTask",
    "HookedTransformer",
    "MechprobeError",
    "SolvableConfig",
    "Task",
    "TaskDescription",
    "Trained",
    "Trainee",
    "TrainingPlan",
    "TransformerConfig",
    "construct",
    "load",
    "read_meta",
    "save",
    "train",
    "wrap",
]
