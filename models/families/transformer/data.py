"""What a transformer is trained on: a fixed set of sequences, or fresh ones every epoch."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.draws import draw_order
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.tasks import HistogramTask, Task

TRAINING_SHARE = 0.7


@runtime_checkable
class Data(Protocol):
    """Sequences of every epoch; the same number each time, and the same ones for the same epoch."""

    def epoch(self, number: int) -> Int[Tensor, "n pos"]:
        """The sequences of an epoch, counted from 0."""
        ...


@dataclass(frozen=True, eq=False)
class FixedData:
    """The same sequences every epoch."""

    tokens: Int[Tensor, "n pos"]

    def epoch(self, number: int) -> Int[Tensor, "n pos"]:
        """All of them."""
        return self.tokens


@dataclass(frozen=True)
class FreshData:
    """New draws of the task in every epoch.

    Args:
        task: what is drawn.
        n_per_epoch: sequences an epoch.
        seed: at least 0; with the epoch's number it says which are drawn.

    Raises:
        MechprobeError: no sequences, or a negative seed.
    """

    task: Task
    n_per_epoch: int
    seed: int

    def __post_init__(self) -> None:
        if self.n_per_epoch < 1 or self.seed < 0:
            raise MechprobeError(
                f"fresh data: {self.n_per_epoch} sequences an epoch, seed {self.seed}; at least 1"
                " sequence and seed 0 are wanted"
            )

    def epoch(self, number: int) -> Int[Tensor, "n pos"]:
        """The sequences of an epoch, counted from 0."""
        return self.task.sample(self.n_per_epoch, epoch_generator(self.seed, number, 1))


def epoch_generator(seed: int, epoch: int, stream: int = 0) -> torch.Generator:
    """The generator of an epoch's shuffle (stream 0) or draws (stream 1); epochs can be entered
    at any number."""
    state = np.random.SeedSequence(seed, spawn_key=(stream, epoch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


@settled()
def histogram_split(
    task: HistogramTask, n: int, generator: torch.Generator
) -> tuple[Int[Tensor, "train pos"], Int[Tensor, "validation pos"]]:
    """The data set of arXiv:2402.03902, section 3: n sequences with uniform tokens, duplicates
    removed, shuffled, 70 % for training and 30 % for validation.

    Args:
        task: gives T, L and BOS; sequences are uniform whatever its sampler.
        n: sequences drawn, 50,000 as published.
        generator: source of randomness.

    Raises:
        MechprobeError: too few to split.
    """
    uniform = HistogramTask(T=task.T, L=task.L, bos=task.bos, sampler="uniform")
    tokens = torch.unique(uniform.sample(max(n, 0), generator), dim=0)
    if len(tokens) < 2:
        raise MechprobeError(f"n={n}: {len(tokens)} different sequences cannot be split")
    tokens = tokens[draw_order(len(tokens), generator)]
    cut = max(1, int(TRAINING_SHARE * len(tokens)))
    return tokens[:cut], tokens[cut:]
