"""Our checkpoints, Hugging Face style: a folder with config.json and model.safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import (
    CONFIG_FILE,
    TASK_FILE,
    WEIGHTS_FILE,
    has,
    has_weights,
    read_safetensors,
    weights_file,
)
from mechprobe.models.checkpoints.place import Place
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.hooked import FAMILIES, HookedTransformer

THEIRS = {"d_model", "n_layers"}  # names in every configuration of TransformerLens


@checkpoint_format("native", f"{CONFIG_FILE} and {WEIGHTS_FILE}, what models.save writes")
class Native:
    """Our own checkpoints, of any family."""

    advice = ""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the weights' file or the index of its shards."""
        return has_weights(folder) and not has(folder, TASK_FILE)

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: configuration or weights are damaged or do not fit each other.
        """
        fields = {key: value for key, value in config.items() if key != "meta"}
        where = str(folder / CONFIG_FILE)
        if "family" not in fields and fields.keys() >= THEIRS:
            raise MechprobeError(
                f"{folder}: a TransformerLens model without {TASK_FILE}; add one that says which"
                " ids are tokens and how it answers (docs/families/foreign_models.md)"
            )
        # Configurations without a family are counting models, the first there were.
        family = FAMILIES.find(fields.get("family", "counting"), where)
        checked = family.config(fields, where)
        file = weights_file(folder)
        weights = read_safetensors(file, lambda w: family.check(checked, w, where=str(file)))
        model: HookedTransformer = family.assemble(checked, weights)
        return model

    def claimed(self, place: Place) -> float | None:
        """The accuracy in "meta", where there is one."""
        meta = place.config.get("meta")
        claim = meta.get("accuracy") if isinstance(meta, dict) else None
        return float(claim) if isinstance(claim, int | float) else None
