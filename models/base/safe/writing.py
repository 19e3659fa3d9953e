"""Checkpoint folders with JSON files and safetensors, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.files import put_text
from mechprobe.models.base.folders import whole_folder
from mechprobe.models.base.safe.documents import DOCUMENT_BYTES, parse_json
from mechprobe.models.base.safe.folders import WEIGHTS_FILE
from mechprobe.models.base.tensor_files import put_tensors
from mechprobe.models.base.weights import Weights


def write_folder(path: Path, files: Mapping[str, Mapping[str, Any]], weights: Weights) -> None:
    """Write JSON files and model.safetensors; an older folder of the same files is replaced.

    Args:
        path: the folder.
        files: what each JSON file holds, by its name.
        weights: by name.

    Raises:
        MechprobeError: the folder cannot be written or holds other files, or a JSON file could not
            be read again: it is too long, nested too deeply, or holds what JSON has no words for.
    """
    texts = {name: _json(path, name, data) for name, data in files.items()}
    with whole_folder(path, replaces={*files, WEIGHTS_FILE}) as folder:
        for name, text in texts.items():
            put_text(folder / name, text)
        put_tensors(folder / WEIGHTS_FILE, {n: w.contiguous() for n, w in weights.items()})


def _json(path: Path, name: str, data: Mapping[str, Any]) -> str:
    """An object as text that `read_json` takes."""
    try:
        text = json.dumps(data, indent=2, sort_keys=True) + "\n"
        parse_json(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        what = f"{name} with its meta" if "meta" in data else name
        raise MechprobeError(
            f"{path}: not written: {what} could not be read again ({short(error, 200)})"
        ) from None
    if len(text.encode()) > DOCUMENT_BYTES:
        what = "meta is too long; it" if "meta" in data else name
        raise MechprobeError(f"{path}: {what} may take {DOCUMENT_BYTES:,} bytes")
    return text
