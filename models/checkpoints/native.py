"""Our checkpoints, Hugging Face style: a folder with config.json and model.safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.checkpoints.reading import JSON_BYTES, has, inside, read_safetensors
from models.checkpoints.registry import checkpoint_format
from models.errors import MechprobeError
from models.files import put_tensors, whole_folder
from models.hooked import HookedTransformer, family_of

WEIGHTS_FILE = "model.safetensors"


def save(model: HookedTransformer, path: str | Path, meta: Mapping[str, Any] | None = None) -> None:
    """Write config.json and model.safetensors whole or not at all; see `models.save`.

    Raises:
        MechprobeError: the folder cannot be written, or holds something else than a checkpoint.
    """
    path = Path(path)
    known = {"config.json", WEIGHTS_FILE}
    if path.is_dir() and any(entry.name not in known for entry in path.iterdir()):
        raise MechprobeError(f"{path}: holds other files; choose an empty or new folder")
    config = json.loads(model.config.model_dump_json()) | {"meta": dict(meta or {})}
    tensors = {name: weight.contiguous() for name, weight in model.weights().items()}
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    if len(text) > JSON_BYTES:
        raise MechprobeError(f"{path}: meta is too long; a config holds {JSON_BYTES:,} bytes")
    with whole_folder(path) as folder:
        (folder / "config.json").write_text(text, encoding="utf-8")
        put_tensors(folder / WEIGHTS_FILE, tensors)


@checkpoint_format("native", f"config.json and {WEIGHTS_FILE}, what models.save writes")
class Native:
    """Our own checkpoints, of any family."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the weights' file."""
        return has(folder, WEIGHTS_FILE) and not has(folder, "task.json")

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: configuration or weights are damaged or do not fit each other.
        """
        fields = {key: value for key, value in config.items() if key != "meta"}
        where = str(folder / "config.json")
        # Configurations without a family are counting models, the first there were.
        family = family_of(fields.get("family", "counting"), where)
        checked = family.config(fields, where)
        file = inside(folder, WEIGHTS_FILE)
        weights = read_safetensors(file, lambda w: family.check(checked, w, where=str(file)))
        return HookedTransformer(checked, weights)
