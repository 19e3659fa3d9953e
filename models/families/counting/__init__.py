"""The family of counting transformers: shape, weights, forward pass, training."""

from mechprobe.models.families.counting.config import ARCHITECTURES, Architecture, CountingConfig
from mechprobe.models.families.counting.forward import forward
from mechprobe.models.families.counting.training import (
    PRESETS,
    Trained,
    Trainee,
    TrainingPlan,
    log_spaced,
    train,
)
from mechprobe.models.families.counting.weights import Weights, check, initial, shapes

__all__ = [
    "ARCHITECTURES",
    "PRESETS",
    "Architecture",
    "CountingConfig",
    "Trained",
    "Trainee",
    "TrainingPlan",
    "Weights",
    "check",
    "forward",
    "initial",
    "log_spaced",
    "shapes",
    "train",
]
