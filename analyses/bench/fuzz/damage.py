"""Damage to a folder: to what its files say, to their bytes, and to the folder itself."""

import json
from pathlib import Path
from random import Random

import numpy as np
import torch

from mechprobe.analyses.bench.fuzz.structured import damage_json, damage_toml
from mechprobe.analyses.bench.fuzz.tables import damage_parquet
from mechprobe.analyses.bench.hostile.archives import TORCH
from mechprobe.analyses.bench.hostile.bases import Base
from mechprobe.analyses.bench.hostile.configs import CONFIGS
from mechprobe.analyses.bench.hostile.files import FILES, SAFETENSORS
from mechprobe.analyses.bench.hostile.tensors import TENSORS, TORCH_TENSORS, read, write

WEIGHTS = (".safetensors", ".pt")
# Applied to any file: in the catalogue these say "weights", and mean the file they are given.
ANY_FILE = {
    name: change
    for name, change in FILES.items()
    if not name.startswith("config-") and name not in ("file-bit-flipped", "file-begin-zeroed")
}


def damage(root: Path, rng: Random) -> str:
    """Damage one file below a folder; says what was done.

    Args:
        root: a copy of something good; symbolic links are left alone.
        rng: what it draws from.
    """
    files = sorted(f for f in root.rglob("*") if f.is_file() and not f.is_symlink())
    if not files:
        return "nothing left to damage"
    file: Path = rng.choice(files)
    way = rng.randint(0, 9)
    if way == 0:
        return _catalogue(file, ANY_FILE, rng)
    if way == 1:
        return _bytes(file, rng)
    if file.suffix in WEIGHTS:
        return _weights(file, rng)
    if file.suffix == ".json":
        return damage_json(file, rng) if way < 8 else _catalogue(file, CONFIGS, rng)
    if file.suffix == ".toml":
        return damage_toml(file, rng)
    if file.suffix == ".parquet":
        return damage_parquet(file, rng)
    return _bytes(file, rng)


def _bytes(file: Path, rng: Random) -> str:
    """A few bytes replaced, as bad disks and editors leave them."""
    content = bytearray(file.read_bytes())
    if not content:
        return f"{file.name}: empty already"
    at = rng.randint(0, len(content) - 1)
    new: bytes = rng.randbytes(rng.randint(1, 8))
    content[at : at + len(new)] = new
    file.write_bytes(bytes(content))
    return f"{file.name}: {new!r} at byte {at}"


def _weights(file: Path, rng: Random) -> str:
    if rng.randint(0, 3):
        own = TORCH | TORCH_TENSORS if file.suffix == ".pt" else SAFETENSORS
        return _catalogue(file, TENSORS | own, rng)
    try:
        state = read(file)
    except Exception:  # damaged before
        return _bytes(file, rng)
    if not state or not all(isinstance(w, torch.Tensor) for w in state.values()):
        return f"{file.name}: no tensors, or not only"
    name: str = rng.choice(sorted(state))
    factor: float = rng.choice((0.0, -1.0, 1e-30, 1e18, 1e30, 1e300))
    wide = state[name].dtype.is_floating_point and rng.random() < 0.5
    write(file, {n: w.double() if wide else w for n, w in state.items()})
    state = read(file)
    write(file, state | {name: state[name] * factor})
    return f"{file.name}: {name} times {factor}{' in float64' if wide else ''}"


def _catalogue(file: Path, catalogue: dict, rng: Random) -> str:  # type: ignore[type-arg]
    """One of the benchmark's faults, to this file."""
    kind: str = rng.choice(sorted(catalogue))
    seed: int = rng.randint(0, 2**32 - 1)
    outside = file.parent.parent / "outside"
    try:
        catalogue[kind](file.parent, _base(file), np.random.default_rng(seed))
    except Exception as error:  # a file that was damaged before need not take another fault
        return f"{file.name}: {kind} not possible ({type(error).__name__})"
    finally:
        if outside.is_file() and outside.parent != file.parent.parent:
            outside.unlink()
    return f"{file.name}: {kind}"


def _base(file: Path) -> Base:
    """The catalogue's view of a file."""
    keys: list[str] = []
    tensors: list[str] = []
    if file.suffix == ".json":
        content = json.loads(file.read_text())
        keys = sorted(content) if isinstance(content, dict) else []
        keys = [key for key in keys if not isinstance(content[key], (dict, list))]
    if file.suffix in WEIGHTS:
        tensors = sorted(read(file))
    return Base(
        name="any", make=lambda folder: None, config=file.name, required=tuple(keys),
        sizes=tuple(keys), weights=file.name, tensors=tuple(tensors),
    )  # fmt: skip
