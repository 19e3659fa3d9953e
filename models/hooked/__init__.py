"""The hooked model: TransformerLens's hook names, cache and accessors around our models."""

from typing import TYPE_CHECKING

from mechprobe.models.base.lazy import lazy

if TYPE_CHECKING:
    from mechprobe.models.hooked.config import HookedConfig as HookedConfig
    from mechprobe.models.hooked.family import FAMILIES as FAMILIES
    from mechprobe.models.hooked.family import Family as Family
    from mechprobe.models.hooked.family import ModelConfig as ModelConfig
    from mechprobe.models.hooked.family import model_family as model_family
    from mechprobe.models.hooked.mixers import Mixer as Mixer
    from mechprobe.models.hooked.mixers import Mixing as Mixing
    from mechprobe.models.hooked.model import HookedTransformer as HookedTransformer
    from mechprobe.models.hooked.model import copy_with as copy_with
else:
    __getattr__, __dir__, __all__ = lazy(__name__)
