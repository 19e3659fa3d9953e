"""Whole-or-nothing writes: a reader never sees half a file, a failed write leaves the old one."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write one file through a temporary neighbour and a rename.

    Args:
        path: where the file shall stand; missing parents are made.
        write: is given the temporary path and fills it.

    Raises:
        MechprobeError: the folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise MechprobeError(f"{path}: cannot write here ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise MechprobeError(f"{path}: cannot write ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


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


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_whole(path, lambda temporary: _put(temporary, text))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a temporary folder; on success it takes the place of `path`, on failure it is gone.

    An existing folder at `path` is replaced only after the new one is complete.

    Raises:
        MechprobeError: the folder cannot be written, the disk is full, or `path` is a file.
    """
    if path.exists() and not path.is_dir():
        raise MechprobeError(f"{path}: is a file, a folder is wanted; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise MechprobeError(f"{path}: cannot write here ({error.strerror})") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            _replace_folder(path, temporary)
        else:
            temporary.rename(path)
    except OSError as error:
        raise MechprobeError(f"{path}: cannot write ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(path: Path, new: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(old / "was")
        try:
            new.rename(path)
        except BaseException:
            (old / "was").rename(path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def refuse_unreadable(path: Path) -> None:
    """Look whether a file, or all files of a folder, can be read now; whole or damaged, or not
    there at all, is no matter.

    Raises:
        MechprobeError: one cannot: it may be whole, and must not be taken for damaged.
    """
    at = path
    try:
        for at in [path] if path.is_file() else sorted(path.iterdir()):
            if at.is_file():
                with at.open("rb") as stream:
                    while stream.read(2**20):
                        pass
    except FileNotFoundError:
        return
    except OSError as error:
        raise MechprobeError(
            f"{at}: cannot be read ({error.strerror or error}); it stays as it is, make it"
            " readable and try again"
        ) from None


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def printable(path: str | Path) -> str:
    """A path as text; file names need not be any."""
    return os.fsencode(path).decode("utf-8", "replace")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
