"""A safetensors file: its header as tensors without numbers, and its numbers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.safe.documents import parse_json
from mechprobe.models.base.tensor_files import open_tensors
from mechprobe.models.base.weights import Weights

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


def header_of(file: Path) -> tuple[Weights, dict[str, str]]:
    """Tensors without numbers by name, and the names of tensors that were left out because they
    are stored under another: `safetensors.torch.save_model` stores a shared tensor once.

    Raises:
        MechprobeError: damaged, or tensors of an unknown type.
    """
    with _damage_told(file):
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > HEADER_BYTES:
                raise ValueError(f"its header claims {length:,} bytes")
            parse_json(stream.read(length))  # the library takes the last of two alike names
        with open_tensors(file) as tensors:
            # The library has compared offsets, shapes and types with the size of the file.
            parts = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            meta: dict[str, str] = tensors.metadata() or {}
            header = {n: _kind(file, n, p.get_shape(), p.get_dtype()) for n, p in parts.items()}
    return header, {n: kept for n, kept in meta.items() if n not in header and kept in header}


def numbers_of(file: Path, names: Iterable[str]) -> Weights:
    """Tensors by name, each a copy.

    Raises:
        MechprobeError: damaged.
    """
    with _damage_told(file), open_tensors(file) as tensors:
        return {name: tensors.get_tensor(name).clone() for name in names}


def without_numbers(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of a shape and type that holds no memory."""
    return torch.empty(shape, dtype=dtype, device="meta")


@contextmanager
def _damage_told(file: Path) -> Iterator[None]:
    try:
        yield
    except MechprobeError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise MechprobeError(
            f"{file}: not a whole safetensors file ({short(error, 200)})"
        ) from None


def _kind(file: Path, name: str, shape: list[int], dtype: str) -> Tensor:
    if dtype not in DTYPES:
        raise MechprobeError(f"{file}: {short(name)} holds {dtype}, floats are wanted")
    return without_numbers(tuple(shape), DTYPES[dtype])
