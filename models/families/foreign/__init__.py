"""Models made elsewhere with TransformerLens, behind our hooked model."""

from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.folder import load_foreign, save_foreign
from mechprobe.models.families.foreign.native import to_native
from mechprobe.models.families.foreign.training import train_boot_native
from mechprobe.models.families.foreign.wrapped import ForeignTransformer, wrap

__all__ = [
    "ForeignConfig",
    "ForeignTransformer",
    "TaskDescription",
    "compiled_counter",
    "load_foreign",
    "save_foreign",
    "to_native",
    "train_boot_native",
    "wrap",
]
