"""Random draws by seed and purpose. Those of a task are the same for every model and kept: a sweep
labels many models on the same sequences."""

import hashlib
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.models.base.settled import settled
from mechprobe.models.tasks import BalancedSequences

KEPT = 4  # results of each function; a label needs two of `balanced` and one of `sampled`


def generator(seed: int, purpose: str) -> torch.Generator:
    """A generator of its own for each purpose: probes do not disturb one another."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@lru_cache(KEPT)
@settled()
def sampled(task: HistogramTask, n: int, seed: int, purpose: str) -> Int[Tensor, "n pos"]:
    """Sequences from a task's own distribution; shared, not to be written into."""
    return task.sample(n, generator(seed, purpose))


@lru_cache(KEPT)
@settled()
def balanced(task: HistogramTask, reps: int, seed: int, purpose: str) -> BalancedSequences:
    """Sequences with every count of every token equally often; shared, not to be written into."""
    return task.balanced(reps, generator(seed, purpose))
