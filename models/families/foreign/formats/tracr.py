"""Programs that tracr compiled, as folders: tracr.json and tracr.safetensors.

Sizes are compared with the header of the weights' file before anything of these sizes is allocated,
and no code is loaded; tracr need not be there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.safe.reading import has, inside, read_json, read_safetensors
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.foreign.tracr.description import TracrDescription
from mechprobe.models.families.foreign.tracr.export import PROGRAM_FILE, WEIGHTS_FILE
from mechprobe.models.families.foreign.tracr.native import check, checked_config, model_of
from mechprobe.models.hooked import HookedTransformer


@checkpoint_format("tracr", f"{PROGRAM_FILE} and {WEIGHTS_FILE}: a program compiled by tracr")
class Tracr:
    """Compiled programs that count, as `families.foreign.tracr.export` writes them."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the program's description."""
        return has(folder, PROGRAM_FILE)

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: files are missing or damaged, do not fit each other, or hold a program
                that does not count.
        """
        where = str(folder / PROGRAM_FILE)
        description = TracrDescription.checked(read_json(folder, PROGRAM_FILE), where)
        checked_config(description, where)
        file = inside(folder, WEIGHTS_FILE)
        weights = read_safetensors(file, lambda w: check(description, w, str(file)))
        return model_of(description, weights, str(file))
