"""Foreign models as folders: config.json (TransformerLens's fields), task.json, model.safetensors.

A folder is data: sizes are compared with the header of the weights' file before anything of these
sizes is allocated, and no code is loaded from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import (
    CONFIG_FILE,
    TASK_FILE,
    has,
    inside,
    read_json,
    read_safetensors,
    weights_file,
)
from mechprobe.models.base.validation import validated
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.foreign.booting import NativeConfig
from mechprobe.models.families.foreign.checks import SO_FAR
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.hooked import FAMILIES, HookedTransformer


@checkpoint_format(
    "foreign", f"a folder with {TASK_FILE}: a TransformerLens model and what it was asked"
)
class Foreign:
    """TransformerLens models with a task description."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the task description."""
        return has(folder, TASK_FILE)

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: files are missing or damaged, do not fit each other, or hold a model
                that `wrap` refuses.
        """
        inside(folder, CONFIG_FILE)
        where = str(folder / CONFIG_FILE)
        fields = {key: value for key, value in config.items() if key != "meta"}
        if "architectures" in fields or "model_type" in fields:
            raise MechprobeError(
                f"{folder}: a Hugging Face model; its hooks cannot be written as probes need it"
                " (docs/families/foreign_models.md); bring a model of TransformerBridge.boot_native"
            )
        if fields.get("attention_dir") == "causal":
            raise MechprobeError(
                f"{where}: attention_dir is causal: a position that does not see those after it"
                f" cannot count{SO_FAR}"
            )
        native = validated(NativeConfig, fields, where)
        task = read_json(folder, TASK_FILE)
        description = TaskDescription.checked(task, str(folder / TASK_FILE))
        family = FAMILIES["foreign"]
        checked = family.config(ForeignConfig.of(native, description).model_dump(), str(folder))
        file = weights_file(folder)
        weights = read_safetensors(file, lambda w: family.check(checked, w, str(file)))
        model: HookedTransformer = family.assemble(checked, weights)
        return model
