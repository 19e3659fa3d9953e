"""Bad checkpoints of all formats, by a seed."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
import torch

from mechprobe.analyses.bench.hostile.archives import TORCH
from mechprobe.analyses.bench.hostile.bases import BASES, Base
from mechprobe.analyses.bench.hostile.configs import CONFIGS, STRICT, Mutation
from mechprobe.analyses.bench.hostile.files import FILES, SAFETENSORS
from mechprobe.analyses.bench.hostile.tasks import TASKS
from mechprobe.analyses.bench.hostile.tensors import TENSORS, TORCH_TENSORS

OF_TORCH, OF_SAFETENSORS = TORCH | TORCH_TENSORS, SAFETENSORS | STRICT


@dataclass(frozen=True)
class Case:
    """One bad checkpoint.

    Args:
        name: format and what is wrong.
        folder: the checkpoint's.
        crater: a file that is there only if code in the checkpoint ran.
    """

    name: str
    folder: Path
    crater: Path


def make_cases(root: Path, number: int = 200, seed: int = 0) -> list[Case]:
    """Write bad checkpoints below `root`, which is new.

    Every format gets its share, and no fault comes twice in one; 200 have every fault at least
    once.

    Args:
        root: of a folder for each case.
        number: how many.
        seed: of which fault goes to which format, and of what a fault is free to choose.
    """
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for base, kind in islice(_deal(rng), number):
            place = root / f"{len(cases):03d}-{base.name}-{kind}"
            good = root / "good" / base.name
            if not good.exists():
                base.make(good)
            shutil.copytree(good, place / "model")
            _kinds(base)[kind](place / "model", base, rng)
            cases.append(Case(place.name, place / "model", place / "crater"))
    return cases


def _kinds(base: Base) -> dict[str, Mutation]:
    """Every fault a format can have."""
    own = TASKS if base.has_task else {}
    return CONFIGS | TENSORS | FILES | (OF_TORCH if base.is_torch else OF_SAFETENSORS) | own


def _deal(rng: np.random.Generator) -> Iterator[tuple[Base, str]]:
    """Formats by turns; first each fault goes to one of those that can have it."""
    dealt: list[list[str]] = [[] for _ in BASES]
    for kind in rng.permutation(sorted({kind for base in BASES for kind in _kinds(base)})):
        able = [mine for base, mine in zip(BASES, dealt, strict=True) if kind in _kinds(base)]
        min(able, key=len).append(str(kind))
    hands = []
    for base, mine in zip(BASES, dealt, strict=True):
        rest = rng.permutation(sorted(_kinds(base).keys() - set(mine)))
        hands.append([(base, str(kind)) for kind in chain(mine, rest)])
    for turn in zip_longest(*hands):
        yield from (entry for entry in turn if entry is not None)
