"""The hooked model: TransformerLens's hook names, cache and accessors around our models."""

from models.hooked.components import HookedConfig
from models.hooked.transformer import HookedTransformer, copy_with

__all__ = ["HookedConfig", "HookedTransformer", "copy_with"]
