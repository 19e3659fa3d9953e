"""The hooked model: TransformerLens's hook names, cache and accessors around our models."""

from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.family import FAMILIES, Family, ModelConfig, model_family
from mechprobe.models.hooked.mixers import Mixer, Mixing
from mechprobe.models.hooked.model import HookedTransformer, copy_with

__all__ = [
    "FAMILIES",
    "Family",
    "HookedConfig",
    "HookedTransformer",
    "Mixer",
    "Mixing",
    "ModelConfig",
    "copy_with",
    "model_family",
]
