"""Positions in models of the published codes: which row each takes, and what they do to a score."""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import FLOATS, Weights

PLACES = "positional_emb.pe"
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def order(places: Tensor, L: int, file: Path) -> Int[Tensor, " L"]:
    """Which row of the positional embedding each position takes.

    Args:
        places: as stored; of a header, without numbers.
        L: positions.
        file: for messages.

    Raises:
        MechprobeError: they are no positions.
    """
    numbers = places.is_floating_point() or places.dtype in WHOLE
    if places.numel() != L or places.shape[-1] != L or not numbers:
        raise MechprobeError(
            f"{file}: {PLACES} has shape {tuple(places.shape)} and type {places.dtype}; the"
            f" numbers of {L} positions are wanted"
        )
    found = places.flatten()
    if places.is_meta:
        return torch.empty(L, dtype=torch.int64, device="meta")
    if not (
        found.isfinite().all() and ((found >= 0) & (found < L) & (found == found.floor())).all()
    ):
        raise MechprobeError(f"{file}: {PLACES} holds numbers that are no positions 0..{L - 1}")
    return found.long()


def require(state: Weights, wanted: dict[str, tuple[int, ...]], file: Path) -> None:
    """Raises:
    MechprobeError: a tensor has another shape, or holds no floats, so that no product with it can
        be taken.
    """
    for name, shape in wanted.items():
        if tuple(state[name].shape) != shape or state[name].dtype not in FLOATS:
            raise MechprobeError(
                f"{file}: {name} has shape {tuple(state[name].shape)} and type {state[name].dtype};"
                f" {shape} and floats are wanted"
            )
