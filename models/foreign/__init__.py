"""Models made elsewhere with TransformerLens, behind our hooked model."""

from models.foreign.config import ForeignConfig
from models.foreign.description import TaskDescription
from models.foreign.wrapped import ForeignTransformer, wrap

__all__ = ["ForeignConfig", "ForeignTransformer", "TaskDescription", "wrap"]
