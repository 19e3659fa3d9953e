"""Ways to make a torch file bad: what its archive and its pickle claim and would call."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mechprobe.analyses.bench.hostile.bases import Base
from mechprobe.analyses.bench.hostile.configs import Mutation
from mechprobe.analyses.bench.hostile.tensors import read


class _Storage:
    """Pickled as a storage of as many numbers as one likes."""

    def __init__(self, size: int) -> None:
        self.size = size


class _Claim:
    """Pickled as a tensor of any shape over such a storage."""

    def __init__(self, size: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.parts: tuple[object, ...] = (_Storage(size), 0, shape, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[object, ...]:
        return (torch._utils._rebuild_tensor_v2, self.parts)


class _Call:
    """Pickled as a call of any function."""

    def __init__(self, function: Callable[..., object], *given: object) -> None:
        self.function, self.given = function, given

    def __reduce__(self) -> tuple[object, ...]:
        return (self.function, self.given)


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, _Storage):
            return ("storage", torch.FloatStorage, "0", "cpu", obj.size)
        return None


def _archive(file: Path, pickled: bytes, *, compress: bool = False, data: bytes = b"") -> None:
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", data or b"\x00" * 64)
        archive.writestr("archive/version", "3\n")


def _pickled(content: Callable[[str, Path], object], protocol: int = 2) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        stream = io.BytesIO()
        made = content(str(rng.choice(base.tensors)), folder.parent / "crater")
        _Pickler(stream, protocol).dump(made)
        _archive(folder / base.weights, stream.getvalue())

    return mutate


def _claim(size: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> Mutation:
    return _pickled(lambda name, crater: {name: _Claim(size, shape, stride)})


def _hash_bomb(folder: Path, base: Base, rng: np.random.Generator) -> None:
    """A name that is a pair of the same pair of the same pair ...: to hash it takes 2^60 steps."""
    pairs = b"".join(b"q%ch%c\x86" % (i, i) for i in range(60))
    _archive(folder / base.weights, b"\x80\x02})" + pairs + b"Ns.")


def _torch_bomb(folder: Path, base: Base, rng: np.random.Generator) -> None:
    with zipfile.ZipFile(folder / base.weights) as archive:
        pickled = archive.read("transformer/data.pkl")
    _archive(folder / base.weights, pickled, compress=True, data=b"\x00" * 40_000_000)


def _pickle_bomb(folder: Path, base: Base, rng: np.random.Generator) -> None:
    _archive(folder / base.weights, b"\x80\x02" + b"N0" * 20_000_000 + b".", compress=True)


def _legacy(folder: Path, base: Base, rng: np.random.Generator) -> None:
    file = folder / base.weights
    torch.save(read(file), file, _use_new_zipfile_serialization=False)


def _bare(folder: Path, base: Base, rng: np.random.Generator) -> None:
    call = _Call(Path.touch, folder.parent / "crater")
    (folder / base.weights).write_bytes(pickle.dumps(call))


def _many_records(folder: Path, base: Base, rng: np.random.Generator) -> None:
    with zipfile.ZipFile(folder / base.weights, "a") as archive:
        for i in range(20_000):
            archive.writestr(f"transformer/data/x{i}", b"")


def _two_records(folder: Path, base: Base, rng: np.random.Generator) -> None:
    file = folder / base.weights
    content = file.read_bytes()
    file.write_bytes(content.replace(b"transformer/data/1", b"transformer/data/0"))


def _program(folder: Path, base: Base, rng: np.random.Generator) -> None:
    """What makes torch take a state dict for a program, and warn on standard error."""
    with zipfile.ZipFile(folder / base.weights, "a") as archive:
        archive.writestr("transformer/constants.pkl", b"\x80\x02).")


TORCH: dict[str, Mutation] = {
    "storage-1e12": _claim(10**12, (10**6, 10**6), (10**6, 1)),
    "shape-1e12": _claim(16, (10**6, 10**6), (10**6, 1)),
    "shape-negative": _claim(16, (-4,), (1,)),
    "stride-1e15": _claim(16, (2, 2), (10**15, 1)),
    "shape-digits": _claim(16, (10**2000,), (1,)),
    "code-in-a-value": _pickled(lambda name, crater: {name: _Call(Path.touch, crater)}),
    "code-alone": _pickled(lambda name, crater: _Call(Path.touch, crater)),
    "code-os-system": _pickled(lambda name, crater: {name: _Call(os.system, f"touch {crater}")}),
    "code-bare-pickle": _bare,
    "bytes-1e12": _pickled(lambda name, crater: {name: _Call(bytearray, 10**12)}),
    "tensor-call-1e12": _pickled(lambda name, crater: {name: _Call(torch.Tensor, 10**12)}),
    "hash-bomb": _hash_bomb,
    "text-for-a-tensor": _pickled(lambda name, crater: {name: "x" * 1000}),
    "list-for-a-dictionary": _pickled(lambda name, crater: [1, 2, name]),
    "long-pickle": _pickled(lambda name, crater: {name: list(range(200_000))}),
    "protocol-4": _pickled(lambda name, crater: {name: _Claim(16, (4, 4), (4, 1))}, 4),
    "zip-bomb-numbers": _torch_bomb,
    "zip-bomb-pickle": _pickle_bomb,
    "zip-many-records": _many_records,
    "zip-two-of-a-name": _two_records,
    "zip-program": _program,
    "legacy": _legacy,
}
