"""Files of tensors (safetensors), written whole or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mechprobe.models.base.files import write_whole
from mechprobe.models.base.reading import refuse_odd


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> None:
    """Write a safetensors file whole or not at all.

    Args:
        path: where it shall stand.
        tensors: by name; any layout.
        meta: of its header.

    Raises:
        MechprobeError: the folder cannot be written, or the disk is full.
    """
    packed = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_whole(path, lambda temporary: put_tensors(temporary, packed, dict(meta)))


def put_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, str] | None = None) -> None:
    """Write a safetensors file as it goes, for use within a whole write.

    Raises:
        OSError: it cannot be written.
    """
    try:
        save_file(tensors, path, metadata=meta)
    except SafetensorError as error:
        raise OSError(str(error)) from error


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """A safetensors file, opened as `safe_open` does, under any name that a file may have.

    Raises:
        OSError, SafetensorError: it is not there, or damaged.
    """
    refuse_odd(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:  # the library wants text; a descriptor's name is some
        with path.open("rb") as held, safe_open(f"/dev/fd/{held.fileno()}", "pt") as file:
            yield file
    else:
        with safe_open(path, framework="pt") as file:
            yield file
