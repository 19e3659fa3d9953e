"""What most labellers make of their numbers: how far counts are shared, and whether they count."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.models.base.draws import draw_integers, draw_order

LEAST, ALL = 0.8, 1.0  # accuracy below which a model does not count, and from which it does
TESTED = 1000  # sequences behind the accuracy


def by_share(accuracy: float, share: float, found: float | None = None) -> dict[str, float]:
    """Scores of kinds out of how far tokens share a counter.

    Relation-based wins from a share of two thirds on, inventory-based up to one third, mixed in
    between; other wins where less than half of the effect that was looked for is there.

    Args:
        accuracy: of the model.
        share: 0, every token has a counter of its own, to 1, all have one.
        found: share of the effect that was looked for, 0 to 1; None where a method does not ask,
            and so cannot say "other".
    """
    share = min(max(share, 0.0), 1.0)
    counts = min(max((accuracy - LEAST) / (ALL - LEAST), 0.0), 1.0)
    there = counts * (1.0 if found is None else min(max(found, 0.0), 1.0))
    scores = {
        "relation-based": there * share,
        "inventory-based": there * (1 - share),
        "mixed": there * (1 - abs(2 * share - 1)),
        "unsolved": 1 - counts,
    }
    if found is not None:
        scores["other"] = (counts - there) * 2 / 3  # a pure kind has two thirds at the least
    return scores


def accuracy_of(model: HookedTransformer, task: HistogramTask, generator: torch.Generator) -> float:
    """Share of right answers on fresh sequences."""
    tokens = task.sample(TESTED, generator)
    with torch.no_grad():
        return task.accuracy(model(tokens), tokens)


class Places(NamedTuple):
    """Positions of sequences, one a row, with what stands there."""

    inputs: Int[Tensor, "row pos"]
    at: Int[Tensor, " row"]
    token: Int[Tensor, " row"]
    counts: Int[Tensor, " row"]

    def take(self, rows: Tensor) -> "Places":
        """Some rows, by index or by a mask."""
        return Places(*(part[rows] for part in self))

    def occurrences(self, token: Int[Tensor, " row"]) -> Int[Tensor, " row"]:
        """How often each row's sequence holds a token."""
        return (self.inputs == token.unsqueeze(-1)).sum(-1)


def balanced(task: HistogramTask, reps: int, generator: torch.Generator) -> Places:
    """Places with every count of every token equally often, in random order."""
    data = task.balanced(reps, generator)
    T, C, R, length = data.tokens.shape
    token = torch.arange(T).view(T, 1, 1).expand(T, C, R).flatten()
    count = data.counts.view(1, C, 1).expand(T, C, R).flatten()
    whole = Places(data.tokens.reshape(-1, length), data.position.flatten(), token, count)
    return whole.take(draw_order(len(token), generator))


def streams(model: HookedTransformer, places: Places) -> Float[Tensor, "row d_model"]:
    """hook_resid_mid of the last block at each place."""
    with torch.no_grad():
        found: Tensor = model.resid_mid(places.inputs)
    return found[torch.arange(len(places.at)), places.at]


class Pairs(NamedTuple):
    """Base and source places, paired at random; their counts differ."""

    base: Places
    source: Places

    @property
    def crossed(self) -> Bool[Tensor, " row"]:
        """Whether the two tokens differ."""
        return self.base.token != self.source.token


def paired(places: Places, number: int, generator: torch.Generator, same: bool = False) -> Pairs:
    """Draw pairs of places with different counts, with replacement.

    Args:
        places: to draw from.
        number: of pairs that are drawn; those with equal counts are left out.
        generator: of the draws.
        same: pairs of one token only.
    """
    n = len(places.at)
    if same:
        order = torch.argsort(places.token, stable=True)
        each = n // len(set(places.token.tolist()))  # balanced: as many a token
        first = draw_integers(n, (number,), generator)
        second = first // each * each + draw_integers(each, (number,), generator)
        first, second = order[first], order[second]
    else:
        first = draw_integers(n, (number,), generator)
        second = draw_integers(n, (number,), generator)
    kept = places.counts[first] != places.counts[second]
    return Pairs(places.take(first[kept]), places.take(second[kept]))
