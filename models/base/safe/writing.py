"""Checkpoint folders with JSON files and safetensors, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import put_text
from mechprobe.models.base.folders import whole_folder
from mechprobe.models.base.safe.reading import JSON_BYTES, WEIGHTS_FILE
from mechprobe.models.base.tensor_files import put_tensors
from mechprobe.models.base.weights import Weights


def write_folder(path: Path, files: Mapping[str, Mapping[str, Any]], weights: Weights) -> None:
    """Write JSON files and model.safetensors; an older folder of the same files is replaced.

    Args:
        path: the folder.
        files: what each JSON file holds, by its name.
        weights: by name.

    Raises:
        MechprobeError: the folder cannot be written or holds other files, or a JSON file would be
            too long to be read again.
    """
    texts = {n: json.dumps(data, indent=2, sort_keys=True) + "\n" for n, data in files.items()}
    for name, text in texts.items():
        if len(text) > JSON_BYTES:
            what = "meta is too long; it" if "meta" in files[name] else name
            raise MechprobeError(f"{path}: {what} may take {JSON_BYTES:,} bytes")
    with whole_folder(path, replaces={*files, WEIGHTS_FILE}) as folder:
        for name, text in texts.items():
            put_text(folder / name, text)
        put_tensors(folder / WEIGHTS_FILE, {n: w.contiguous() for n, w in weights.items()})
