"""Safe reading of torch files: only plain state dicts, in sizes that the files bear out.

Records and pickle are read as data; the pickle is never run, and numbers come straight from the
records that it names.
"""

import io
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.safe.pickles import PLAIN, Odd, Stored, interpreted
from mechprobe.models.base.safe.state_dicts import SPARE, Check, fitting, state_dict_of
from mechprobe.models.base.safe.tensor_files import without_numbers
from mechprobe.models.base.safe.told import tell
from mechprobe.models.base.weights import Weights

MIB = 2**20
PICKLE_BYTES = MIB // 4  # a state dict of hundreds of tensors takes 0.03 MiB, an optimiser twice it
Records = dict[str, zipfile.ZipInfo]
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

    The state dict may lie inside a dictionary, and names and types may be those of wrapped modules
    (`state_dicts`); what is done about it is told (`told.tell`).

    Args:
        file: as `reading.inside` gave it.
        check: is given the header, as tensors without numbers, before anything is loaded, and
            then the tensors; raises where they do not fit.

    Raises:
        MechprobeError: damaged, an older kind of file, more than tensors, no state dict or
            several, tensors that are not plain or claim more numbers than the file holds, or what
            `check` raises.
    """
    records, stored, said = _contents(file)
    way = fitting({n: without_numbers(s.shape, s.storage.dtype) for n, s in stored.items()}, check)
    try:
        numbers = _numbers(file, records, {name: stored[name] for name in way.names.values()})
    except Exception as error:  # the file may have changed
        raise _damaged(file, error) from None
    weights = way.of(numbers)
    check(weights)
    for sentence in (*said, *way.said):
        tell(f"{file.name}: {sentence}")
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


def _contents(file: Path) -> tuple[Records, dict[str, Stored], list[str]]:
    """Records by key, the state dict's tensors by name, and what was taken."""
    with file.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            raise MechprobeError(
                f"{file}: not a torch file of the zip kind; if torch wrote it, save it again with"
                " a torch of 1.6 or newer"
            )
    try:
        with _Sparing(str(file)) as raw, zipfile.ZipFile(raw) as archive:
            records, pickled = _records(archive)
        return records, *_state_dict(file, interpreted(pickled), records)
    except MechprobeError as error:
        raise MechprobeError(f"{file}: {error}") from None
    except Exception as error:  # a damaged file can fail anywhere in the readers
        raise _damaged(file, error) from None


def _state_dict(
    file: Path, loaded: object, records: Records
) -> tuple[dict[str, Stored], list[str]]:
    """The state dict in a file, by name, each tensor's claims compared with its record."""
    if not isinstance(loaded, dict):
        kind = "tensor" if isinstance(loaded, Stored | Odd) else type(loaded).__name__
        raise MechprobeError(f"holds a {kind}, a state dict is wanted")
    state, said = state_dict_of(loaded, (Stored,))
    stored: dict[str, Stored] = {}
    left = file.stat().st_size + SPARE
    for name, value in state.items():
        fault = _fault(value, records)
        if fault or not isinstance(value, Stored):
            raise MechprobeError(f"{short(name)} {fault}; {PLAIN}")
        left -= math.prod(value.shape) * value.storage.dtype.itemsize
        if left < 0:
            raise MechprobeError(
                f"{short(name)} and those before it claim {SPARE // MIB} MiB more numbers than the"
                f" file holds; {PLAIN}"
            )
        stored[str(name)] = value
    if len(stored) < len(state):
        raise MechprobeError(f"two tensors have one name; {PLAIN}")
    return stored, said


def _numbers(file: Path, records: Records, stored: Mapping[str, Stored]) -> dict[str, Tensor]:
    """The tensors' numbers, a copy each; a record that several share is read once."""
    found: dict[str, Tensor] = {}
    with _Sparing(str(file)) as raw, zipfile.ZipFile(raw) as archive:
        for key in {tensor.storage.key for tensor in stored.values()}:
            content = _content(archive, records[key])
            for name, tensor in stored.items():
                if tensor.storage.key == key:
                    flat = _flat(content, tensor.storage.dtype)
                    view = flat.as_strided(tensor.shape, tensor.stride, tensor.offset)
                    found[name] = view.clone()
    return {name: found[name] for name in stored}


def _content(archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> bytearray:
    content = bytearray()
    with archive.open(record) as stream:
        while part := stream.read(MIB):
            content += part
    return content


def _flat(content: bytearray, dtype: torch.dtype) -> Tensor:
    # torch makes no tensor of an empty buffer.
    return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)


def _records(archive: zipfile.ZipFile) -> tuple[Records, bytes]:
    """Storages by key, and the pickle; every record is stored as it is and whole."""
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
        raise MechprobeError(f"its pickle has more than {PICKLE_BYTES:,} bytes; {PLAIN}")
    start = f"{root}data/"
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise MechprobeError("its numbers are big-endian; save it again on a usual machine")
    found = {e.filename.removeprefix(start): e for e in entries if e.filename.startswith(start)}
    return found, archive.read(pickles[0])


def _fault(value: object, records: Records) -> str:
    """What keeps a value from being a plain tensor with all of its numbers in the file."""
    if not isinstance(value, Stored):
        return "is not a plain tensor"
    storage = value.storage
    numbers = (value.offset, *value.shape, *value.stride)
    if len(value.shape) != len(value.stride) or len(value.shape) > 8:
        return "is not a plain tensor"
    if any(type(n) is not int or not 0 <= n < 2**48 for n in numbers):
        return "has a shape that is no shape"
    record = records.get(storage.key)
    if record is None or record.file_size != storage.size * storage.dtype.itemsize:
        return "has other numbers of bytes than its record"
    count = math.prod(value.shape)
    steps = zip(value.shape, value.stride, strict=True)
    end = value.offset + sum((n - 1) * step for n, step in steps) + 1
    if count and end > storage.size:
        return "claims more numbers than its record holds"
    return ""


def _some(names: list[str]) -> str:
    return ", ".join(short(name) for name in names[:6])


def _damaged(file: Path, error: Exception) -> MechprobeError:
    reason = str(error).split("\n")[0][:200] or type(error).__name__
    return MechprobeError(f"{file}: not a whole torch file ({reason})")
