"""The hooked model: TransformerLens's hook names, cache and accessors around our models."""

from models.hooked.components import HookedConfig
from models.hooked.family import ModelConfig
from models.hooked.transformer import HookedTransformer, copy_with, family_of

__all__ = ["HookedConfig", "HookedTransformer", "ModelConfig", "copy_with", "family_of"]
