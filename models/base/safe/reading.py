"""Safe reading of checkpoint folders: files are data, bounded before anything is allocated.

A reader first gets a file's header as tensors without numbers (device "meta"), compares names,
shapes and types with what the configuration demands, and only then are numbers loaded. What is
allocated is thereby bounded by the size of the file.
"""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.folders import placed
from mechprobe.models.base.tensor_files import open_tensors
from mechprobe.models.base.weights import Weights

__all__ = [
    "Check",
    "has",
    "inside",
    "read_json",
    "read_safetensors",
]

# Files of our own checkpoints, and what makes one a foreign model's.
CONFIG_FILE, WEIGHTS_FILE, TASK_FILE = "config.json", "model.safetensors", "task.json"
JSON_BYTES = 2**20
JSON_DEPTH = 64
# Room for about 10,000 tensors; the library itself would parse 100 MB.
HEADER_BYTES = 2**20
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}

# Looks at weights, of the header or loaded, and raises where they do not fit.
Check = Callable[[Weights], object]


def has(folder: Path, name: str) -> bool:
    """Whether a folder has an entry of this name, of whatever kind."""
    return os.path.lexists(placed(folder, name))


def inside(folder: Path, name: str) -> Path:
    """The path of a regular file that lies in a folder, for reading.

    The folder itself may be a symlink; a file in it may be one only if it stays inside.

    Raises:
        MechprobeError: no such file, not a regular one (a folder, pipe or device), a symlink that
            leads out of the folder, or one that may not be read.
    """
    file = placed(folder, name)
    home, target = os.path.realpath(folder), os.path.realpath(file)
    if not target.startswith(os.path.join(home, "")):
        raise MechprobeError(
            f"{file}: is a symlink that leads out of the folder and is not followed; copy the file"
        )
    try:
        kind = os.stat(file).st_mode
    except FileNotFoundError:
        raise MechprobeError(f"{file}: no such file") from None
    except OSError as error:
        raise MechprobeError(f"{file}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(kind):
        raise MechprobeError(f"{file}: is not a regular file")
    if not os.access(file, os.R_OK):
        raise MechprobeError(f"{file}: cannot be read (Permission denied)")
    return file


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """An object out of a JSON file of at most 1 MiB: UTF-8, finite numbers, limited nesting.

    Raises:
        MechprobeError: anything else.
    """
    file = inside(folder, name)
    try:
        with file.open("rb") as stream:
            content = stream.read(JSON_BYTES + 1)
        if len(content) > JSON_BYTES:
            raise MechprobeError(f"{file}: larger than {JSON_BYTES:,} bytes, that is no config")
        data = json.loads(
            content.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite_float
        )
        _check_values(data)
    except MechprobeError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise MechprobeError(f"{file}: not readable JSON ({short(error, 200)})") from None
    if not isinstance(data, dict):
        raise MechprobeError(f"{file}: holds a {type(data).__name__}, an object is wanted")
    return data


def read_safetensors(file: Path, check: Check) -> Weights:
    """The tensors of a safetensors file, each a copy.

    Args:
        file: as `inside` gave it.
        check: is given the header, as tensors without numbers, before anything is loaded, and
            then the tensors.

    Raises:
        MechprobeError: damaged, or what `check` raises.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
        if length > HEADER_BYTES:
            raise ValueError(f"its header claims {length:,} bytes")
        with open_tensors(file) as tensors:
            # The library has compared offsets, shapes and types with the size of the file.
            parts = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            check({n: _header(file, n, p.get_shape(), p.get_dtype()) for n, p in parts.items()})
            weights = {name: tensors.get_tensor(name).clone() for name in parts}
    except MechprobeError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise MechprobeError(
            f"{file}: not a whole safetensors file ({short(error, 200)})"
        ) from None
    check(weights)
    return weights


def without_numbers(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of a shape and type that holds no memory."""
    return torch.empty(shape, dtype=dtype, device="meta")


def _header(file: Path, name: str, shape: list[int], dtype: str) -> Tensor:
    if dtype not in DTYPES:
        raise MechprobeError(f"{file}: {short(name)} holds {dtype}, floats are wanted")
    return without_numbers(tuple(shape), DTYPES[dtype])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _check_values(data: object) -> None:
    """Nesting that later recursions can follow; strings that can be printed."""
    todo: list[tuple[object, int]] = [(data, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > JSON_DEPTH:
            raise ValueError(f"nested deeper than {JSON_DEPTH} levels")
        if isinstance(value, str):
            value.encode("utf-8")  # a lone surrogate is no text
        elif isinstance(value, list):
            todo += ((item, depth + 1) for item in value)
        elif isinstance(value, dict):
            todo += ((item, depth + 1) for pair in value.items() for item in pair)
