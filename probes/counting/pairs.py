"""Pairs of sequences that differ in one token's count, to patch between."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from mechprobe.probes.counting.context import CountContext

PAIRS = 128  # each is patched both ways


@dataclass(frozen=True)
class CountPairs:
    """Sequences with one marked position in common, and their partners.

    Sequence i + n is the partner of sequence i, of 2 n: it has the same token at the marked
    position, that token more or less often, and is equal elsewhere. So each is once what is
    patched and once what is patched in.

    Args:
        tokens: the sequences.
        counts: of the marked token in each.
        position: the marked one, counting BOS.
    """

    tokens: Int[Tensor, "batch pos"]
    counts: Int[Tensor, " batch"]
    position: int

    def partner(self, values: Shaped[Tensor, "batch *rest"]) -> Shaped[Tensor, "batch *rest"]:
        """What belongs to each sequence's partner."""
        return values.roll(len(self.tokens) // 2, 0)

    @property
    def wanted(self) -> Int[Tensor, " batch"]:
        """The count in each sequence's partner."""
        return self.counts.roll(len(self.tokens) // 2)

    def preference(self, logits: Float[Tensor, "batch pos classes"]) -> Float[Tensor, " batch"]:
        """Logit of the partner's count less that of the sequence's own, at the marked position."""
        at = logits[:, self.position].double()
        row = torch.arange(len(at))
        return at[row, self.wanted] - at[row, self.counts]


def count_pairs(context: CountContext) -> CountPairs:
    """Draw pairs: every token equally often, counts the task asks for that differ by 1 or 2.

    One sequence of a pair is balanced (`HistogramTask.balanced`), with a count of at least 2; in
    the other, one or two further occurrences of the marked token are other tokens. The marked
    position is the middle of the sequence; the others are in random order.

    Args:
        context: of a task with L of at least 3.
    """
    task = context.task
    reps = math.ceil(PAIRS / (task.T * (task.counts - 1)))
    body = task.scored(context.balanced("count pairs", reps).tokens, -1)[:, 1:]
    T, C, R, L = body.shape
    # The balanced order of a sequence is dropped: by lots of tokens, equal tokens side by side
    # and the marked one in front, and by lots of places from there.
    token = torch.arange(T).view(T, 1, 1, 1)
    group = context.uniform_numbers("pair groups", (T, C, R, T), token_axes=(0, 3))
    group = group.scatter(-1, token.expand(T, C, R, 1), -1.0)
    more = body.gather(-1, group.gather(-1, body).argsort(-1))

    high = torch.arange(2, task.counts + 1).view(1, C, 1).expand(T, C, R)
    two = (high > 2) & (context.uniform_numbers("pair change", (T, C, R)) < 0.5)
    other = context.uniform_numbers("pair tokens", (T, C, R, 2, T), token_axes=(0, 4))
    other = other.masked_fill(token.unsqueeze(-1) == torch.arange(T), -1.0).argmax(-1)
    fewer = more.clone()
    fewer[..., 1] = other[..., 0]
    fewer[..., 2] = torch.where(two, other[..., 1], more[..., 2])

    order = 1 + context.uniform_numbers("pair places", (T, C, R, L - 1)).argsort(-1)
    middle = L // 2
    order = torch.cat(
        [order[..., :middle], torch.zeros_like(order[..., :1]), order[..., middle:]], -1
    )
    # As many pairs of each token as there is room for.
    lottery = context.uniform_numbers("pairs kept", (T, C, R)).flatten(1)
    kept = (lottery.argsort(1).argsort(1) + lottery).flatten().argsort()[:PAIRS]
    bodies = [side.gather(-1, order).flatten(0, 2)[kept] for side in (more, fewer)]
    counts = [count.flatten()[kept] for count in (high, high - 1 - two.long())]
    start = int(task.bos)
    tokens = torch.nn.functional.pad(torch.cat(bodies), (start, 0), value=T)
    return CountPairs(tokens, torch.cat(counts), start + middle)
