"""The family of transformers with depth, heads, positions and norms: shape, forward, training."""

from models.transformer.config import TransformerConfig, shapes
from models.transformer.data import Data, FixedData, FreshData, histogram_split
from models.transformer.forward import forward
from models.transformer.training import Plan, Trained, accuracy, train
from models.transformer.unfreezing import distance, unfreeze
from models.transformer.weights import Weights, check, initial

__all__ = [
    "Data",
    "FixedData",
    "FreshData",
    "Plan",
    "Trained",
    "TransformerConfig",
    "Weights",
    "accuracy",
    "check",
    "distance",
    "forward",
    "histogram_split",
    "initial",
    "shapes",
    "train",
    "unfreeze",
]
