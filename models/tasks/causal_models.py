"""Counting as causal models: in which variable is the count of each token kept?

A causal model of a network is a small program with named variables that the network may carry out
(causal abstraction: Geiger et al., arXiv:2106.02997). For the histogram task the program has the
variables N_0 .. N_{G-1}, its counters. At a position that holds token t, the count of t is
written into t's counter, and the answer is read from there. Models differ in who shares:

- relation-based: one counter, which serves every token;
- several counters: two groups of tokens or more, each with one counter, none of a single token;
- inventory-based: every token has a counter of its own;
- mixed: some tokens share a counter, others have one of their own.

The models agree on every sequence. An interchange tells them apart: the variable that holds the
count of token s is given the value it has elsewhere, at a position that holds token t. Where both
tokens have one counter the answer becomes the count of s; where they do not, nothing happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError


@dataclass(frozen=True, eq=False)
class CausalModel:
    """Which counter (named variable) the count of every token is kept in.

    Args:
        name: what the model is called.
        counters: number of the counter of each token; 0 .. G-1, each used.

    Raises:
        MechprobeError: there are no tokens, or a number from 0 to the greatest is missing.
    """

    name: str
    counters: Int[Tensor, " token"]

    def __post_init__(self) -> None:
        if not len(self.counters):
            raise MechprobeError(f"causal model {self.name!r}: it has no tokens; give at least one")
        used = sorted(set(self.counters.tolist()))
        if used != list(range(len(used))):
            raise MechprobeError(
                f"causal model {self.name!r}: its counters are numbered {used[:8]};"
                f" number them 0 to {len(used) - 1}, or use grouped() which does"
            )

    @property
    def number(self) -> int:
        """How many counters there are, G."""
        return int(self.counters.max()) + 1

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the counters, N_0 to N_{G-1}."""
        return tuple(f"N_{g}" for g in range(self.number))

    @property
    def shares(self) -> Bool[Tensor, "target source"]:
        """Whether two tokens have one counter."""
        return self.counters.unsqueeze(1) == self.counters.unsqueeze(0)

    def answer(
        self,
        target: Int[Tensor, "*pair"],
        count: Int[Tensor, "*pair"],
        source: Int[Tensor, "*pair"],
        source_count: Int[Tensor, "*pair"],
    ) -> Int[Tensor, "*pair"]:
        """What the model answers after an interchange.

        Args:
            target: token at the position that is answered.
            count: how often it occurs in its own sequence.
            source: token whose variable is set to the value it has in another sequence.
            source_count: how often that token occurs there.

        Returns:
            source_count where both tokens have one counter, else count.
        """
        same = self.counters[target] == self.counters[source]
        return torch.where(same, source_count, count)

    def same_as(self, other: "CausalModel") -> bool:
        """Whether the same tokens share; names and numbers do not matter."""
        return torch.equal(self.shares, other.shares)


def relation(T: int) -> CausalModel:
    """One counter that all T tokens share."""
    return CausalModel("relation-based", torch.zeros(T, dtype=torch.int64))


def inventory(T: int) -> CausalModel:
    """A counter of its own for each of T tokens."""
    return CausalModel("inventory-based", torch.arange(T))


def grouped(
    counters: Sequence[int] | Int[np.ndarray, " token"] | Int[Tensor, " token"],
) -> CausalModel:
    """Tokens with equal numbers share a counter; the numbers themselves do not matter.

    The name says what that makes: "relation-based", "inventory-based", "several counters" (two or
    more, none of a single token) or "mixed" (some share, others are alone).

    Raises:
        MechprobeError: there are no tokens.
    """
    given = [int(number) for number in counters]
    numbers = {number: g for g, number in enumerate(sorted(set(given)))}
    which = torch.tensor([numbers[number] for number in given], dtype=torch.int64)
    return CausalModel(_name(which.bincount()), which)


def _name(sizes: Int[Tensor, " counter"]) -> str:
    if len(sizes) == 1:
        return "relation-based"
    if bool((sizes == 1).all()):
        return "inventory-based"
    return "mixed" if bool((sizes == 1).any()) else "several counters"
