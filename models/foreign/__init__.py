"""Models made elsewhere with TransformerLens, behind our hooked model."""

from models.foreign.compiled import compiled_counter
from models.foreign.config import ForeignConfig
from models.foreign.description import TaskDescription
from models.foreign.folder import load_foreign, save_foreign
from models.foreign.native import to_native
from models.foreign.training import train_boot_native
from models.foreign.wrapped import ForeignTransformer, wrap

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
