"""How mixing weights vary with tokens and with positions, sequence by sequence.

Token variance: how w_ij varies over inputs with the positions i, j held. Position variance: how
w_ij varies within one sequence over position pairs that hold the same two tokens.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask

ROUNDING = 1e-12  # of the squared weights; variation below is none


class Variation:
    """Token and position variance of the mixing weights, sequence by sequence."""

    def __init__(
        self,
        token: Float[np.ndarray, " batch"],
        position: Float[np.ndarray, " batch"],
        square: Float[np.ndarray, " batch"],
    ) -> None:
        self.token = token
        self.position = position
        self.square = square

    def splits(
        self, rows: Int[np.ndarray, "set n"]
    ) -> tuple[Float[np.ndarray, " set"], Float[np.ndarray, " set"]]:
        """Share due to tokens, and all variation relative to the weights, over some sequences."""
        token = self.token[rows].mean(-1)
        known = ~np.isnan(self.position)
        number = known[rows].sum(-1)
        position = np.where(known, self.position, 0.0)[rows].sum(-1) / np.maximum(number, 1)
        total = token + position
        scale = self.square[rows].mean(-1)
        varied = total > ROUNDING * np.maximum(scale, 1e-300)
        share = np.where(varied, token / np.where(varied, total, 1.0), 0.0)
        return share, np.sqrt(np.where(scale > 0, total / np.where(scale > 0, scale, 1.0), 0.0))

    def split(self) -> tuple[float, float]:
        """The same over all sequences."""
        share, relative = self.splits(np.arange(len(self.token))[np.newaxis])
        return float(share[0]), float(relative[0])

    @property
    def share(self) -> float:
        """Share of the variation due to tokens."""
        return self.split()[0]

    @property
    def relative(self) -> float:
        """All variation, relative to the root mean square weight."""
        return self.split()[1]


def measure(
    patterns: Iterable[Float[Tensor, "batch head q k"]],
    tokens: Int[Tensor, "batch pos"],
    task: HistogramTask,
) -> Variation:
    """Split the variation of mixing weights: means of the variances and squares over all heads.

    Args:
        patterns: mixing weights of every block.
        tokens: the sequences they were seen on, with BOS where there is one.
        task: says which positions are scored; BOS is no query.
    """
    body = task.scored(tokens, 1)
    heads = []
    for block in patterns:
        for pattern in block.unbind(1):
            rows = task.scored(pattern.double(), 1)
            position = position_variance(task.scored(rows, 2), body, task.n_vocab)
            heads.append((token_variance(rows), position, rows.square().mean((1, 2))))
    means = (torch.stack(part).mean(0).numpy() for part in zip(*heads, strict=True))
    return Variation(*means)


def token_variance(pattern: Float[Tensor, "batch q k"]) -> Float[Tensor, " batch"]:
    """Each sequence's part in the variance over inputs at fixed positions; the mean is unbiased."""
    n = pattern.shape[0]
    return (pattern - pattern.mean(0)).square().mean((1, 2)) * n / (n - 1)


def position_variance(
    pattern: Float[Tensor, "batch q k"], tokens: Int[Tensor, "batch pos"], n_vocab: int
) -> Float[Tensor, " batch"]:
    """Variance within groups of position pairs that hold the same (query, key) tokens, unbiased.

    Sequences without such a group count as zero evidence and are NaN.
    """
    batch = pattern.shape[0]
    row = torch.arange(batch).view(-1, 1, 1) * n_vocab**2
    group = (row + tokens.unsqueeze(-1) * n_vocab + tokens.unsqueeze(-2)).flatten()
    _, group = torch.unique(group, return_inverse=True)
    values = pattern.flatten()
    size = torch.zeros(int(group.max()) + 1, dtype=values.dtype).index_add_(
        0, group, torch.ones_like(values)
    )
    # Shifting by one member keeps a group of equal values at exactly zero.
    first = torch.zeros_like(size).index_copy_(0, group, values)
    centred = values - first[group]
    total = torch.zeros_like(size).index_add_(0, group, centred)
    squares = (centred - (total / size)[group]).square()
    sums = torch.zeros_like(size).index_add_(0, group, squares)
    sequence = torch.zeros_like(group[: size.shape[0]]).index_copy_(
        0, group, torch.arange(batch).view(-1, 1, 1).expand(pattern.shape).flatten()
    )
    several = (size > 1).to(values.dtype)
    degrees = torch.zeros(batch, dtype=values.dtype).index_add_(0, sequence, (size - 1) * several)
    within = torch.zeros(batch, dtype=values.dtype).index_add_(0, sequence, sums)
    return torch.where(degrees > 0, within / degrees.clamp(min=1), torch.nan)
