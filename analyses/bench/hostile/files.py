"""Ways to make a checkpoint's files bad: their bytes, and what stands in their place."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mechprobe.analyses.bench.hostile.bases import Base
from mechprobe.analyses.bench.hostile.configs import Mutation

Header = dict[str, Any]


def _bytes(change: Callable[[bytes, np.random.Generator], bytes]) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / base.weights
        file.write_bytes(change(file.read_bytes(), rng))

    return mutate


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """One bit: of a torch file somewhere in a record, whose checksum then differs; of a
    safetensors file somewhere in the header's length."""
    if content[:2] != b"PK":
        at = int(rng.integers(8))
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = [e for e in archive.infolist() if e.file_size > 0]
            entry = records[int(rng.integers(len(records)))]
            record = archive.read(entry)
        at = content.index(record, entry.header_offset) + int(rng.integers(len(record)))
    flipped = content[at] ^ (1 << int(rng.integers(8)))
    return content[:at] + bytes([flipped]) + content[at + 1 :]


# -- safetensors headers -------------------------------------------------------------------------


def _headed(change: Callable[[Header, str], Header]) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / base.weights
        content = file.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        header = change(json.loads(content[8:end]), str(rng.choice(base.tensors)))
        text = json.dumps(header).encode()
        file.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])

    return mutate


def _claims(key: str, value: object) -> Mutation:
    return _headed(lambda header, name: header | {name: header[name] | {key: value}})


def _long_header(size: int) -> Mutation:
    return _bytes(lambda content, rng: size.to_bytes(8, "little") + content[8:])


SAFETENSORS: dict[str, Mutation] = {
    "header-shape-1e12": _claims("shape", [10**6, 10**6]),
    "header-shape-2-to-63": _claims("shape", [2**63 - 1, 2**63 - 1]),
    "header-shape-negative": _claims("shape", [-1]),
    "header-shape-text": _claims("shape", "many"),
    "header-empty-axis": _claims("shape", [0, 2**62, 2**62]),
    "header-end-1e15": _claims("data_offsets", [0, 10**15]),
    "header-turned-offsets": _claims("data_offsets", [8, 0]),
    "header-unknown-type": _claims("dtype", "F1024"),
    "header-deep": _headed(lambda header, name: {"a": _nested(600)}),
    "header-list": _headed(lambda header, name: {"a": [1]}),
    "header-length-2-to-62": _long_header(2**62),
    "header-length-90-mb": _bytes(
        lambda content, rng: (90_000_000).to_bytes(8, "little") + b"{" + b" " * 89_999_999
    ),
    "header-length-zero": _long_header(0),
    "trailing-bytes": _bytes(lambda content, rng: content + b"\x00" * 64),
}


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


# -- any file ------------------------------------------------------------------------------------


def _instead(place: Callable[[Path, Path], None], config: bool = False) -> Mutation:
    """Something else in a file's place, given its path and that of a good copy outside."""

    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / (base.config if config else base.weights)
        outside = folder.parent / "outside"
        file.rename(outside)
        place(file, outside)

    return mutate


def _folder_in(file: Path, outside: Path) -> None:
    file.mkdir()


def _loop(file: Path, outside: Path) -> None:
    file.symlink_to(file.name)


def _grown(folder: Path, base: Base, rng: np.random.Generator) -> None:
    """A file of 4 GiB that takes no room on the disk."""
    os.truncate(folder / base.weights, 4 * 2**30)


FILES: dict[str, Mutation] = {
    "file-empty": _bytes(lambda content, rng: b""),
    "file-one-byte": _bytes(lambda content, rng: content[:1]),
    "file-cut": _bytes(lambda c, rng: c[: int(rng.integers(2, len(c)))]),
    "file-last-byte-cut": _bytes(lambda content, rng: content[:-1]),
    "file-bit-flipped": _bytes(_flipped),
    "file-begin-zeroed": _bytes(lambda content, rng: b"\x00" * 64 + content[64:]),
    "file-noise": _bytes(lambda content, rng: rng.bytes(5000)),
    "file-text": _bytes(lambda content, rng: b"version https://example.org/large\nsize 12\n"),
    "file-sparse-4-gib": _grown,
    "weights-missing": _instead(lambda file, outside: None),
    "weights-link-out": _instead(lambda file, outside: file.symlink_to("../outside")),
    "weights-link-out-whole-path": _instead(lambda file, outside: file.symlink_to(outside)),
    "weights-link-to-nothing": _instead(lambda file, outside: file.symlink_to("nothing")),
    "weights-link-to-zeros": _instead(lambda file, outside: file.symlink_to("/dev/zero")),
    "weights-link-to-itself": _instead(_loop),
    "weights-folder": _instead(_folder_in),
    "weights-pipe": _instead(lambda file, outside: os.mkfifo(file)),
    "config-missing": _instead(lambda file, outside: None, config=True),
    "config-link-out": _instead(lambda file, outside: file.symlink_to("../outside"), config=True),
    "config-link-to-zeros": _instead(lambda f, outside: f.symlink_to("/dev/zero"), config=True),
    "config-folder": _instead(_folder_in, config=True),
    "config-pipe": _instead(lambda file, outside: os.mkfifo(file), config=True),
}
