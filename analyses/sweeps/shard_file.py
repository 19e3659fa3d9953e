"""A shard's file: weights of its models, and in its header their rows of the table.

It is there whole or not at all. Only what is damaged counts as not done and is made again; a file
that cannot be read now, or is of a newer mechprobe, is left alone.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from mechprobe.analyses.sweeps.rows import check_rows
from mechprobe.models import MechprobeError, Trained
from mechprobe.models.base.reading import RESULT_BYTES, opened
from mechprobe.models.base.safe.documents import parse_json
from mechprobe.models.base.tensor_files import open_tensors, write_tensors
from mechprobe.models.base.validation import known_version
from mechprobe.models.families.counting import Weights

VERSION = 2  # version 1 did not say its version, and kept no digests of the weights
HEADER = "sweep"  # the entry of the file's header that is ours
REMOVE = "remove the file, and the sweep makes it again"
STEP = "@"  # between a model's name and the step of a snapshot


@dataclass(frozen=True)
class Header:
    """What a shard's file says of itself.

    Args:
        grid: digest of the grids that it was cut from.
        rows: of the table.
        digests: of the weights by model, and by model and step (`name@step`) for snapshots; empty
            in files of version 1.
    """

    grid: str
    rows: list[dict[str, Any]]
    digests: dict[str, str]


def write_shard(
    path: Path, grid: str, rows: list[dict[str, Any]], trained: Mapping[str, Trained]
) -> None:
    """Store models by name, whole or not at all.

    Raises:
        MechprobeError: it cannot be written, the disk is full.
    """
    models: dict[str, Weights] = {}
    for name, one in trained.items():
        models[name] = one.weights
        models |= {f"{name}{STEP}{step}": weights for step, weights in one.snapshots.items()}
    tensors = {f"{at}/{w}": weight for at, ws in models.items() for w, weight in ws.items()}
    digests = {at: digest_of(weights) for at, weights in models.items()}
    # One entry: safetensors writes several in any order, and equal sweeps are equal bytes.
    header = {"version": VERSION, "grid": grid, "rows": rows, "weights": digests}
    write_tensors(path, tensors, {HEADER: json.dumps(header)})


def read_header(path: Path) -> Header | None:
    """What a shard's file says; None where there is none, or a damaged one.

    Raises:
        MechprobeError: it cannot be read now, is no shard or one of a newer mechprobe, or a row
            says too little.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if length <= min(size - 8, RESULT_BYTES) else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        header = parse_json(text)
        ours = (header.pop("__metadata__", None) or {}).get(HEADER)
        ends = [tensor["data_offsets"][1] for tensor in header.values()]
        whole = 8 + length + max(ends, default=0) == size
        found = None if ours is None else parse_json(ours, finite=False)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None
    if not whole:
        return None
    if not isinstance(found, dict):
        raise MechprobeError(f"{path}: is no shard of a sweep; move it out of this folder")
    return _header(path, found)


def _header(path: Path, found: dict[str, Any]) -> Header:
    try:
        version = known_version(found.get("version", 1), VERSION)
    except ValueError as error:
        raise MechprobeError(f"{path}: {error}") from None
    grid, rows, digests = found.get("grid"), found.get("rows"), found.get("weights")
    if not isinstance(grid, str):
        raise MechprobeError(f"{path}: grid: a text is wanted; {REMOVE}")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MechprobeError(f"{path}: rows: a list of objects is wanted; {REMOVE}")
    if version == 1:
        digests = {}
    elif not isinstance(digests, dict):
        raise MechprobeError(f"{path}: weights: an object of digests is wanted; {REMOVE}")
    check_rows(rows, str(path), REMOVE)
    return Header(grid, rows, digests)


def read_weights(path: Path, name: str) -> dict[int | None, Weights]:
    """A model's weights by step; None is the end.

    Raises:
        MechprobeError: the file cannot be read.
    """
    found: dict[int | None, Weights] = {}
    try:
        with open_tensors(path) as file:
            for key in file.keys():  # noqa: SIM118
                model, weight = key.rsplit("/", 1)
                of, _, step = model.partition(STEP)
                if of == name:
                    at = int(step) if step else None
                    found.setdefault(at, {})[weight] = file.get_tensor(key)
    except (OSError, SafetensorError, ValueError) as error:
        raise _unreadable(path, error) from None
    return found


def digest_of(weights: Weights) -> str:
    """Of names, types, shapes and bits."""
    found = sha256()
    for name, weight in sorted(weights.items()):
        found.update(f"{name} {weight.dtype} {tuple(weight.shape)} ".encode())
        found.update(weight.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _unreadable(path: Path, error: Exception) -> MechprobeError:
    said = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return MechprobeError(f"{path}: cannot be read ({said}); it stays as it is, try again")
