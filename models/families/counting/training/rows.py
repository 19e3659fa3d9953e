"""A block of training data as a stack on a device reads it."""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.compiled import compiled
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.training.state import Trainee
from mechprobe.models.families.counting.training.stream import BLOCK, draw_parts, draw_sequences

SPREADS = 8  # standard deviations of room for rows; the chance to need more is below 1e-14


class Block(NamedTuple):
    """Data of successive steps; with more axes in front, of a stack, or of one step.

    tokens, counts [steps, batch, slots]: distinct tokens and how often they occur, or tokens by
    position and nothing; rows [steps, capacity]: the slots in use, as batch * slots + slot;
    used [steps, 1]: how many.
    """

    tokens: Int[Tensor, "..."]
    counts: Int[Tensor, "..."]
    rows: Int[Tensor, "..."]
    used: Int[Tensor, "..."]

    @classmethod
    def together(cls, blocks: Sequence["Block"]) -> "Block":
        """Blocks of several models, the stack's axis after the steps'."""
        return cls(*(torch.stack(parts, 1) for parts in zip(*blocks, strict=True)))

    def room(self, steps: int, device: torch.device) -> "Block":
        """Empty space of the same shape for so many steps."""
        return Block(*(part.new_zeros((steps, *part.shape[1:]), device=device) for part in self))

    def fill(self, data: "Block") -> None:
        """Take over another block's data, step by step from the first."""
        for room, part in zip(self, data, strict=True):
            room[: len(part)].copy_(part)

    def at(self, step: Tensor) -> "Block":
        """One step's data; `step` [1] lies on the device."""
        return Block(*(part.index_select(0, step).squeeze(0) for part in self))


def draw_block(trainee: Trainee, block: int, capacity: int) -> Block:
    """The data of a block of one model, the same as a core draws.

    Raises:
        MechprobeError: a batch with more rows than there is room for.
    """
    config, plan = trainee.config, trainee.plan
    steps = min(BLOCK, plan.steps - block * BLOCK)
    # Half the bytes to move where the numbers allow it.
    narrow = max(plan.batch * config.L, config.T) < 2**15
    kind, torch_kind = (np.int16, torch.int16) if narrow else (np.int32, torch.int32)
    shape = (steps, plan.batch, config.L)
    if config.mixing == "lin":
        body = draw_sequences(config, trainee.seed, block, steps * plan.batch)
        none = torch.zeros(steps, 0, dtype=torch_kind)
        return Block(torch.from_numpy(body.astype(kind)).view(shape), none, none, none)
    parts = draw_parts(config, trainee.seed, block, steps * plan.batch)
    rows = np.zeros((steps, capacity), kind)
    used = np.zeros((steps, 1), kind)
    if _rows(parts.distinct.reshape(steps, plan.batch), config.L, rows, used) > capacity:
        raise MechprobeError("more distinct tokens in a batch than there is room for; use cpu")
    tokens, counts = (
        torch.from_numpy(part.astype(kind)).view(shape) for part in (parts.tokens, parts.counts)
    )
    return Block(tokens, counts, torch.from_numpy(rows), torch.from_numpy(used))


@compiled(nogil=True)
@no_type_check
def _rows(distinct, slots, rows, used):
    most = 0
    for s in range(distinct.shape[0]):
        r = 0
        for i in range(distinct.shape[1]):
            for a in range(distinct[s, i]):
                if r < rows.shape[1]:
                    rows[s, r] = i * slots + a
                r += 1
        used[s, 0] = min(r, rows.shape[1])
        most = max(most, r)
    return most


def row_capacity(config: CountingConfig, batch: int) -> int:
    """Room for a batch's distinct tokens: their mean and eight standard deviations."""
    mean, square = parts_moments(config.L)
    spread = math.sqrt(max(0.0, square - mean**2))
    wanted = math.ceil(batch * mean + SPREADS * math.sqrt(batch) * spread)
    return min(batch * config.L, (wanted + 15) // 16 * 16)


@cache
def parts_moments(length: int) -> tuple[float, float]:
    """Mean and mean square of the number of parts that the sampler cuts a sequence into."""
    if length <= 1:
        return float(length), float(length)
    cuts = [parts_moments(length - k) for k in range(1, length)]
    mean = sum(1 + m for m, _ in cuts) / len(cuts)
    square = sum(1 + 2 * m + q for m, q in cuts) / len(cuts)
    return mean, square
