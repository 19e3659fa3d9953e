"""The hooked model: TransformerLens's hook names, cache and accessors around our models."""

from mechprobe.models.hooked.components import HookedConfig
from mechprobe.models.hooked.family import FAMILIES, Family, ModelConfig, model_family
from mechprobe.models.hooked.model import HookedTransformer, copy_with

__all__ = [
    "FAMILIES",
    "Family",
    "HookedConfig",
    "HookedTransformer",
    "ModelConfig",
    "copy_with",
    "model_family",
]
