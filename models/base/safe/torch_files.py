"""Safe reading of torch files: only plain state dicts, in sizes that the files bear out.

Records and pickle are read as data first, and only what passes is given to
`torch.load(weights_only=True)`.
"""

import io
import math
import os
import zipfile
from pathlib import Path

import torch

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.safe.pickles import PLAIN, Odd, Stored, interpreted
from mechprobe.models.base.safe.reading import Check, without_numbers
from mechprobe.models.base.weights import Weights

MIB = 2**20
PICKLE_BYTES = MIB // 16  # of a state dict of hundreds of tensors: 0.03 MiB
# Records besides numbers that torch 1.6 to 2.13 write; with others torch takes a file for a
# program and says so on standard error.
RECORDS = ("data.pkl", "version", "byteorder", ".format_version", ".storage_alignment")


class _Sparing(io.FileIO):
    """A file that hands out at most 1 MiB at once: no list of contents larger than that."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = os.fstat(self.fileno()).st_size - self.tell()
        wanted = left if size is None or size < 0 else size
        if min(wanted, left) > MIB:
            raise ValueError("its list of contents is too long")
        return super().read(size) or b""


def read_torch(file: Path, check: Check) -> Weights:
    """The tensors of a state dict that torch saved, each a copy.

    Args:
        file: as `reading.inside` gave it.
        check: is given the header, as tensors without numbers, before anything is loaded, and
            then the tensors.

    Raises:
        MechprobeError: damaged, an older kind of file, more than tensors, tensors that are not
            plain or claim more numbers than the file holds, or what `check` raises.
    """
    header = _header(file)
    check(header)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        weights = {str(name): tensor.detach().clone() for name, tensor in state.items()}
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise _damaged(file, error) from None
    if _kinds(weights) != _kinds(header):
        raise MechprobeError(f"{file}: holds other tensors than it says; {PLAIN}")
    check(weights)
    return weights


def wanted_tensors(
    state: Weights, wanted: tuple[str, ...], ignored: str, file: Path, whose: str
) -> Weights:
    """The wanted tensors of a state dict, which holds all of them and no others.

    Args:
        state: what was found.
        wanted: names.
        ignored: what names of further tensors may begin with.
        file: for the message, where it was found.
        whose: for the message, whose models these are.

    Raises:
        MechprobeError: a name is missing, or there is one more.
    """
    missing = [name for name in wanted if name not in state]
    unknown = [n for n in state if n not in wanted and not (ignored and n.startswith(ignored))]
    if missing:
        there = f"; {_some(unknown)} in it are not known" if unknown else ""
        raise MechprobeError(
            f"{file}: {', '.join(missing)} missing from the state dict{there} in models of {whose}"
        )
    if unknown:
        raise MechprobeError(f"{file}: {_some(unknown)} not known in models of {whose}")
    return {name: state[name] for name in wanted}


def _header(file: Path) -> Weights:
    with file.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            raise MechprobeError(
                f"{file}: not a torch file of the zip kind; if torch wrote it, save it again with"
                " a torch of 1.6 or newer"
            )
    try:
        with _Sparing(str(file)) as raw, zipfile.ZipFile(raw) as archive:
            sizes, pickled = _records(archive)
        state = interpreted(pickled)
    except MechprobeError as error:
        raise MechprobeError(f"{file}: {error}") from None
    except Exception as error:  # a damaged file can fail anywhere in the readers
        raise _damaged(file, error) from None
    if not isinstance(state, dict):
        kind = "tensor" if isinstance(state, Stored | Odd) else type(state).__name__
        raise MechprobeError(f"{file}: holds a {kind}, a state dict is wanted")
    header: Weights = {}
    claimed = 0
    for name, value in state.items():
        fault = _fault(value, sizes)
        if fault or not isinstance(value, Stored):
            raise MechprobeError(f"{file}: {short(name)} {fault}; {PLAIN}")
        claimed += math.prod(value.shape) * value.storage.dtype.itemsize
        header[str(name)] = without_numbers(value.shape, value.storage.dtype)
    if len(header) < len(state) or claimed > file.stat().st_size:
        raise MechprobeError(f"{file}: its tensors claim more numbers than it holds; {PLAIN}")
    return header


def _records(archive: zipfile.ZipFile) -> tuple[dict[str, int], bytes]:
    """Sizes of the storages by key, and the pickle; every record is stored as it is and whole."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise MechprobeError("holds two records of one name")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise MechprobeError(
                f"{short(repr(entry.filename))} in it is compressed, torch does not do that"
            )
        with archive.open(entry) as record:  # its checksum is compared at the end
            while record.read(MIB):
                pass
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise MechprobeError("holds no state dict")
    root = pickles[0].removesuffix("data.pkl")
    own, numbers = {root + name for name in RECORDS}, (f"{root}data/", f"{root}.data/")
    other = next((n for n in names if n not in own and not n.startswith(numbers)), None)
    if other is not None:
        raise MechprobeError(f"holds {short(repr(other))}, which no state dict does; {PLAIN}")
    if archive.getinfo(pickles[0]).file_size > PICKLE_BYTES:
        raise MechprobeError(f"holds more than tensors; {PLAIN}")
    start = f"{root}data/"
    found = {e.filename.removeprefix(start): e for e in entries if e.filename.startswith(start)}
    return {key: entry.file_size for key, entry in found.items()}, archive.read(pickles[0])


def _fault(value: object, sizes: dict[str, int]) -> str:
    """What keeps a value from being a plain tensor with all of its numbers in the file."""
    if not isinstance(value, Stored):
        return "is not a plain tensor"
    storage = value.storage
    numbers = (value.offset, *value.shape, *value.stride)
    if len(value.shape) != len(value.stride) or len(value.shape) > 8:
        return "is not a plain tensor"
    if any(type(n) is not int or not 0 <= n < 2**48 for n in numbers):
        return "has a shape that is no shape"
    if sizes.get(storage.key) != storage.size * storage.dtype.itemsize:
        return "has other numbers of bytes than its record"
    count = math.prod(value.shape)
    steps = zip(value.shape, value.stride, strict=True)
    end = value.offset + sum((n - 1) * step for n, step in steps) + 1
    if count > storage.size or (count and end > storage.size):
        return "claims more numbers than its record holds"
    return ""


def _some(names: list[str]) -> str:
    return ", ".join(short(name) for name in names[:6])


def _kinds(weights: Weights) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in weights.items()}


def _damaged(file: Path, error: Exception) -> MechprobeError:
    reason = str(error).split("\n")[0][:200] or type(error).__name__
    return MechprobeError(f"{file}: not a whole torch file ({reason})")
