"""The family of transformers with depth, heads, positions and norms: shape, forward, training."""

from mechprobe.models.families.transformer.config import TransformerConfig, shapes
from mechprobe.models.families.transformer.data import Data, FixedData, FreshData, histogram_split
from mechprobe.models.families.transformer.forward import forward
from mechprobe.models.families.transformer.training import Plan, Trained, accuracy, train
from mechprobe.models.families.transformer.unfreezing import distance, unfreeze
from mechprobe.models.families.transformer.weights import Weights, check, initial

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
