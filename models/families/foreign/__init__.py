"""Models made elsewhere with TransformerLens, behind our hooked model."""

from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.native import to_native
from mechprobe.models.families.foreign.training import train_boot_native
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.families.foreign.wrapping import wrap

__all__ = [
    "ForeignConfig",
    "ForeignTransformer",
    "TaskDescription",
    "compiled_counter",
    "to_native",
    "train_boot_native",
    "wrap",
]
