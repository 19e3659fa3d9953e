"""Checkpoints: our own format, readers of other people's, and a register of both."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.locks import held
from mechprobe.models.base.safe.reading import CONFIG_FILE, has, read_json
from mechprobe.models.base.safe.writing import write_folder
from mechprobe.models.checkpoints.registry import (
    FORMATS,
    Format,
    Reader,
    checkpoint_format,
    format_of,
    formats,
    read_with,
)
from mechprobe.models.hooked import HookedTransformer

__all__ = [
    "FORMATS",
    "Format",
    "Reader",
    "checkpoint_format",
    "formats",
    "load",
    "read_meta",
    "recognised",
    "save",
]


def load(path: str | Path) -> HookedTransformer:
    """A checkpoint folder of any known format as a hooked model.

    Raises:
        MechprobeError: no such folder, no known format, damaged or hostile content.
    """
    folder = Path(path)
    with held(folder, shared=True):  # nobody replaces some of its files meanwhile
        config = _read_config(folder)
        model = read_with(format_of(folder, config), folder, config)
    # Half precision is for storing: counts are a few thousandths of a logit apart.
    small = model.cfg.dtype not in (torch.float32, torch.float64)
    return model.with_dtype(torch.float32) if small else model


def recognised(path: str | Path) -> Format:
    """Which format a checkpoint folder is of; its weights are not looked at.

    Raises:
        MechprobeError: no such folder, or no known format.
    """
    return format_of(Path(path), _read_config(Path(path)))


def read_meta(path: str | Path) -> dict[str, Any]:
    """Where one of our checkpoints says it comes from; empty for others."""
    meta = _read_config(Path(path)).get("meta", {})
    return meta if isinstance(meta, dict) else {}


def save(model: HookedTransformer, path: str | Path, meta: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint folder whole or not at all: config.json, model.safetensors, and what else
    the model's family stores.

    Args:
        model: natural weights are written, whatever the view.
        path: the folder; an older checkpoint there is replaced after the new one is complete.
        meta: where the model comes from (construction, training), kept under "meta".

    Raises:
        MechprobeError: the folder cannot be written, or holds something else than a checkpoint,
            or the family stores no such model.
    """
    files = model.family.files(model)
    files[CONFIG_FILE]["meta"] = dict(meta or {})
    write_folder(Path(path), files, model.weights())


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        there = stat.S_ISDIR(os.stat(folder).st_mode)
    except (OSError, ValueError):
        there = False
    if not there:
        what = (
            "is a file; give the folder it lies in"
            if _exists(folder)
            else "no such checkpoint folder"
        )
        raise MechprobeError(f"{folder}: {what}")
    return read_json(folder, CONFIG_FILE) if has(folder, CONFIG_FILE) else {}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
