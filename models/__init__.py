"""Tasks, model families, constructions, symmetries, training and checkpoints.

The short face of the package: `load` and `construct` give a `HookedTransformer`.
"""

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.checkpoints import load, read_meta, save
from mechprobe.models.families.counting import (
    ARCHITECTURES,
    PRESETS,
    CountingConfig,
    Trained,
    Trainee,
    TrainingPlan,
    train,
)
from mechprobe.models.families.counting.constructions import CONSTRUCTIONS, construct
from mechprobe.models.families.foreign import ForeignTransformer, TaskDescription, wrap
from mechprobe.models.families.solvable import SolvableConfig
from mechprobe.models.families.transformer import TransformerConfig
from mechprobe.models.hooked import HookedTransformer
from mechprobe.models.tasks import AttentionRegression, HistogramTask, Task

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
