"""Programs in RASP that DeepMind's tracr compiled to transformers, read without tracr.

`export` runs where tracr is installed and writes plain files; `model_of` makes our model of them.
"""

from mechprobe.models.families.foreign.tracr.description import TracrDescription
from mechprobe.models.families.foreign.tracr.export import export, parts_of
from mechprobe.models.families.foreign.tracr.native import model_of

__all__ = ["TracrDescription", "export", "model_of", "parts_of"]
