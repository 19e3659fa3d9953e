"""Our checkpoints, Hugging Face style: a folder with config.json and model.safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.errors import MechprobeError
from models.files import whole_folder
from models.hooked import HookedTransformer, family_of

WEIGHTS_FILE = "model.safetensors"


def save(model: HookedTransformer, path: str | Path, meta: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint folder whole or not at all.

    Args:
        model: natural weights are written, whatever the view.
        path: the folder; an older checkpoint there is replaced after the new one is complete.
        meta: where the model comes from (construction, training), kept under "meta".

    Raises:
        MechprobeError: the folder cannot be written, or holds something else than a checkpoint.
    """
    path = Path(path)
    known = {"config.json", WEIGHTS_FILE}
    if path.is_dir() and any(entry.name not in known for entry in path.iterdir()):
        raise MechprobeError(f"{path}: holds other files; choose an empty or new folder")
    config = json.loads(model.config.model_dump_json()) | {"meta": dict(meta or {})}
    tensors = {name: weight.contiguous() for name, weight in model.weights().items()}
    with whole_folder(path) as folder:
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8")
        try:
            save_file(tensors, folder / WEIGHTS_FILE)
        except SafetensorError as error:
            raise MechprobeError(f"{path}: cannot write ({error})") from error


def load_native(path: Path, config: Mapping[str, Any]) -> HookedTransformer:
    """Read one of our own checkpoints.

    Raises:
        MechprobeError: configuration or weights are damaged or do not fit each other.
    """
    fields = {key: value for key, value in config.items() if key != "meta"}
    where = str(path / "config.json")
    # Configurations without a family are counting models, the first there were.
    family = family_of(fields.get("family", "counting"), where)
    checked = family.config(fields, where)
    file = path / WEIGHTS_FILE
    try:
        weights = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise MechprobeError(f"{file}: not a whole safetensors file ({error})") from None
    family.check(checked, weights, where=str(file))
    return HookedTransformer(checked, weights)
