"""Work in pieces of bounded memory: large models are measured in parts, ordinary ones at once.

What fits is one piece, so that it is computed as it always was, to the last bit.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

BUDGET = 2**28  # bytes of the largest tensor of a piece; a run holds a few of that size


def pieces(n: int, each: int, budget: int | None = None) -> Iterator[slice]:
    """Successive slices of n things.

    Args:
        n: how many there are.
        each: bytes that the largest tensor takes for one of them.
        budget: bytes for a piece; BUDGET where left out. A piece has one thing at least.
    """
    size = max(1, (BUDGET if budget is None else budget) // max(1, each))
    yield from (slice(start, min(n, start + size)) for start in range(0, n, size))


def joined(n: int, each: int, part: Callable[[slice], Tensor]) -> Tensor:
    """What a function gives for n things, computed piece by piece.

    Args:
        n, each: as of `pieces`.
        part: what it gives for some of them, along the first axis.
    """
    found = [part(piece) for piece in pieces(n, each)]
    return found[0] if len(found) == 1 else torch.cat(found)
