"""The family of counting transformers: shape, weights, forward pass, training."""

from models.counting.config import ARCHITECTURES, Architecture, CountingConfig
from models.counting.forward import forward
from models.counting.training import (
    PRESETS,
    Trained,
    Trainee,
    TrainingPlan,
    log_spaced,
    train,
)
from models.counting.weights import Weights, check, initial, shapes

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
