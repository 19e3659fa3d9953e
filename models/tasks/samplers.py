"""Sequences of one's own in place of the samplers that there are: a function, or a file."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.draws import draw_integers, draw_order, draw_uniform
from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.foreign import foreign
from mechprobe.models.base.safe.folders import inside

KNOWN = ("partition", "uniform")
ENDINGS = (".npy", ".csv", ".txt")
FILE_BYTES = 2**28  # of sequences
OWN = "own:"  # what the name of a function begins with where a task is told

# Called with the number of sequences and a torch.Generator; gives token ids [n, L], without BOS.
Function = Callable[[int, torch.Generator], Any]


def is_file(sampler: object) -> bool:
    """Whether a sampler is the path of a file of sequences."""
    return isinstance(sampler, str) and sampler.endswith(ENDINGS)


def name_of(sampler: Any) -> str:
    """How a sampler is told: its own name or path, of a function where it is from."""
    if isinstance(sampler, str):
        return sampler
    home = f"{getattr(sampler, '__module__', '')}.{getattr(sampler, '__qualname__', '')}"
    return OWN + short(home.strip(".") or type(sampler).__name__, 80)


def check_sampler(sampler: object, T: int, L: int) -> None:
    """Raises:
    MechprobeError: no sampler that is known, no function, and no file of such sequences.
    """
    if sampler in KNOWN or callable(sampler):
        return
    if isinstance(sampler, str) and sampler.startswith(OWN):
        raise MechprobeError(
            f"sampler {short(repr(sampler))} is a function, which is not stored with a model; give"
            " the task itself: mechprobe.label(model, mechprobe.HistogramTask(..., sampler=f))"
        )
    if not is_file(sampler):
        raise MechprobeError(
            f"sampler {short(repr(sampler))} is unknown; choose partition or uniform, or give a"
            f" function of a number and a torch.Generator, or a file of sequences"
            f" ({', '.join(ENDINGS)})"
        )
    sequences_of(str(sampler), T, L)


def own_sequences(
    sampler: Any, T: int, L: int, n: int, generator: torch.Generator
) -> Int[Tensor, "n L"]:
    """Draw n sequences, without BOS.

    Of a file each is drawn once before any is drawn again.

    Raises:
        MechprobeError: what a function gives are none, or the file is damaged.
    """
    if isinstance(sampler, str):
        rows = sequences_of(sampler, T, L)
        whole = [draw_order(len(rows), generator) for _ in range(-(-n // len(rows)))]
        order = torch.cat(whole)[:n] if whole else torch.empty(0, dtype=torch.int64)
        return rows[order]
    with foreign(f"sampler {name_of(sampler)}"):
        given = sampler(n, generator)
    return _checked(given, f"sampler {name_of(sampler)}", T, L, n)


def others(
    sampler: Any, T: int, L: int, token: Int[Tensor, " n"], generator: torch.Generator
) -> Int[Tensor, "n L"]:
    """Sequences of one's own without a token: where it stands, another token of the same sequence
    stands instead, or any other where there is none."""
    drawn = own_sequences(sampler, T, L, len(token), generator)
    same = drawn == token.unsqueeze(-1)
    chosen = draw_uniform(drawn.shape, generator).masked_fill(same, -1.0)
    # For each place another place of the row: those in random order, the token's own last.
    order = chosen.argsort(-1, descending=True)
    place = torch.arange(L, dtype=torch.int64) % (~same).sum(-1, keepdim=True).clamp(min=1)
    within = drawn.gather(-1, order.gather(-1, place))
    any_other = draw_integers(T - 1, tuple(drawn.shape), generator)
    any_other = any_other + (any_other >= token.unsqueeze(-1))
    alone = same.all(-1, keepdim=True)
    return torch.where(same, torch.where(alone, any_other, within), drawn)


def sequences_of(path: str, T: int, L: int) -> Int[Tensor, "rows L"]:
    """The sequences in a file: an array of whole numbers (.npy), or a line each with commas (.csv)
    or blanks (.txt) between them.

    Raises:
        MechprobeError: no such file, damaged, or rows that are no sequences of L of T tokens.
    """
    file = inside(Path(path).parent, Path(path).name)
    about = os.stat(file)
    if about.st_size > FILE_BYTES:
        raise MechprobeError(f"{file}: larger than {FILE_BYTES:,} bytes; give fewer sequences")
    return _read(str(file), T, L, about.st_mtime_ns)


@lru_cache(4)
def _read(path: str, T: int, L: int, changed: int) -> Int[Tensor, "rows L"]:
    try:
        if path.endswith(".npy"):
            found = np.load(path, allow_pickle=False)
        else:
            comma = "," if path.endswith(".csv") else None
            found = np.loadtxt(path, delimiter=comma, dtype=np.int64, ndmin=2)
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise MechprobeError(f"{path}: no table of whole numbers ({short(error, 200)})") from None
    return _checked(found, path, T, L, None)


def _checked(given: Any, who: str, T: int, L: int, n: int | None) -> Int[Tensor, "rows L"]:
    rows = "n" if n is None else str(n)
    try:
        numbers = np.asarray(given)
    except Exception as error:  # an object of the user's
        raise MechprobeError(f"{who}: gave no array ({short(error, 200)})") from None
    right = numbers.ndim == 2 and numbers.shape[1] == L and len(numbers) > 0
    if not right or numbers.dtype.kind not in "iu" or (n is not None and len(numbers) != n):
        raise MechprobeError(
            f"{who}: an array of shape {numbers.shape} and type {numbers.dtype}; whole numbers of"
            f" shape ({rows}, {L}) are wanted, a sequence a row without BOS"
        )
    if numbers.min() < 0 or numbers.max() >= T:
        raise MechprobeError(
            f"{who}: tokens from {numbers.min()} to {numbers.max()}; 0 to {T - 1} are wanted"
        )
    return torch.from_numpy(numbers.astype(np.int64))
