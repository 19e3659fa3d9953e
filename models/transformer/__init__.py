"""The family of transformers with depth, heads, positions and norms: shape, weights, forward."""

from models.transformer.config import TransformerConfig, shapes
from models.transformer.forward import forward
from models.transformer.weights import Weights, check, initial

__all__ = ["TransformerConfig", "Weights", "check", "forward", "initial", "shapes"]
