"""Models made elsewhere, with TransformerLens or plain PyTorch, as hooked models."""

from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.mapped.reading import from_torch
from mechprobe.models.families.foreign.native import to_native
from mechprobe.models.families.foreign.training import train_boot_native
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.families.foreign.wrapping import wrap

__all__ = [
    "ForeignConfig",
    "ForeignTransformer",
    "TaskDescription",
    "compiled_counter",
    "from_torch",
    "to_native",
    "train_boot_native",
    "wrap",
]
