"""Interchange of attention's output, and what a causal model of counting answers to it.

The variables of a causal model are given places before training. A counter that two or more tokens
share is kept in a coordinate of its own, the first ones, of what attention writes at a position:
there stands the count of that position's token. Counts of tokens that keep a counter to themselves
are in all other coordinates together: a store that holds them all, at every position. An
interchange puts the source's numbers in one of these places of the base. No count means and no
directions are estimated.

Sources: interchange intervention, Geiger et al. (arXiv:2112.00826); strict training,
Gupta et al. (arXiv:2407.14494).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.families.counting.training.siit.pairs import Pairs
from mechprobe.models.tasks.causal_models import CausalModel


@dataclass(frozen=True)
class Places:
    """Where the counters of a stack of causal models are kept.

    Args:
        column: coordinate of every token's counter; -1 where the token keeps one of its own.
        store: coordinates that hold counts of tokens with a counter of their own.
        counters: of the causal models.
    """

    column: Int[Tensor, "stack token"]
    store: Bool[Tensor, "stack d"]
    counters: Int[Tensor, "stack token"]

    @classmethod
    def of(cls, causal: list[CausalModel], d: int) -> "Places":
        """Give shared counters the first coordinates, in the order of their numbers."""
        columns = torch.stack([_columns(model.counters) for model in causal])
        used = columns.max(-1, keepdim=True).values + 1
        counters = torch.stack([model.counters for model in causal])
        return cls(columns, torch.arange(d) >= used, counters)


@dataclass(frozen=True)
class Interchanged:
    """One kind of interchange at every base position.

    Args:
        stream: the residual after attention, with the source's numbers in.
        wanted: the causal model's answer.
        valid: where it has one.
    """

    stream: Float[Tensor, "stack batch pos d"]
    wanted: Int[Tensor, "stack batch pos"]
    valid: Bool[Tensor, "stack batch pos"]


def swap_counter(
    places: Places,
    pairs: Pairs,
    x: Float[Tensor, "stack batch pos d"],
    base: Float[Tensor, "stack batch pos d"],
    source: Float[Tensor, "stack batch pos d"],
) -> Interchanged:
    """Put in the counter that the partner's token shares; base and source are what attention adds.

    Tokens with the same counter follow it, all others must not notice. There is nothing to put in
    where the partner's token keeps its count to itself.
    """
    column = _of(places.column, pairs.token)
    here = column.unsqueeze(-1) == torch.arange(x.shape[-1])
    same = _of(places.counters, pairs.base) == _of(places.counters, pairs.token)
    return Interchanged(
        x + torch.where(here, source, base),
        torch.where(same, pairs.partner_count, pairs.count),
        column >= 0,
    )


def swap_store(
    places: Places,
    pairs: Pairs,
    x: Float[Tensor, "stack batch pos d"],
    base: Float[Tensor, "stack batch pos d"],
    source: Float[Tensor, "stack batch pos d"],
) -> Interchanged:
    """Put in all coordinates but those of shared counters.

    A token with a counter of its own answers how often it occurs in the source, whatever token the
    partner is; one with a shared counter must not notice (strictness).
    """
    shared = _of(places.column, pairs.base) >= 0
    return Interchanged(
        x + torch.where(places.store[:, None, None], source, base),
        torch.where(shared, pairs.count, pairs.own_in_source),
        shared | (pairs.own_in_source > 0),
    )


def _of(values: Int[Tensor, "stack token"], tokens: Int[Tensor, "stack batch pos"]) -> Tensor:
    index = torch.arange(len(values)).view(-1, 1, 1)
    return values[index, tokens]


def _columns(counters: Int[Tensor, " token"]) -> Int[Tensor, " token"]:
    sizes = counters.bincount()
    number = (sizes >= 2).cumsum(0) - 1
    return torch.where(sizes >= 2, number, -1)[counters]
