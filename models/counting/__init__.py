"""The family of counting transformers: shape, weights, forward pass, training."""

from models.counting.config import ARCHITECTURES, Architecture, CountingConfig
from models.counting.forward import forward
from models.counting.training import TrainingPlan, train
from models.counting.weights import Weights, check, initial, shapes

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "CountingConfig",
    "TrainingPlan",
    "Weights",
    "check",
    "forward",
    "initial",
    "shapes",
    "train",
]
