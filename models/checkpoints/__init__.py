"""Checkpoints: our own format, and readers of other people's."""

import json
from pathlib import Path
from typing import Any

import torch

from models.checkpoints import native, published
from models.checkpoints.native import save
from models.errors import MechprobeError
from models.hooked import HookedTransformer

__all__ = ["load", "read_meta", "save"]

# Which file marks which format; a new format is one more line and one more file.
_READERS = {
    native.WEIGHTS_FILE: native.load_native,
    published.WEIGHTS_FILE: published.load_published,
}


def load(path: str | Path) -> HookedTransformer:
    """A checkpoint folder as a hooked model: ours, or one of the published counting code.

    Raises:
        MechprobeError: no such folder, no known format, damaged or hostile content.
    """
    folder = Path(path)
    config = _read_config(folder)
    for file, reader in _READERS.items():
        if (folder / file).is_file():
            model = reader(folder, config)
            # Half precision is for storing: counts are a few thousandths of a logit apart.
            small = model.cfg.dtype not in (torch.float32, torch.float64)
            return model.with_dtype(torch.float32) if small else model
    raise MechprobeError(f"{folder}: no weights here; {' or '.join(_READERS)} is wanted")


def read_meta(path: str | Path) -> dict[str, Any]:
    """Where one of our checkpoints says it comes from; empty for others."""
    meta = _read_config(Path(path)).get("meta", {})
    return meta if isinstance(meta, dict) else {}


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not folder.is_dir():
        raise MechprobeError(f"{folder}: no such checkpoint folder")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MechprobeError(f"{folder}: no config.json; is this a checkpoint folder?") from None
    except (OSError, ValueError, RecursionError) as error:
        raise MechprobeError(f"{file}: not readable JSON ({error})") from None
    if not isinstance(config, dict):
        raise MechprobeError(f"{file}: holds a {type(config).__name__}, an object is wanted")
    return config
