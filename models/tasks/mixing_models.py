"""Attention as causal models: from which variables are the mixing weights made?

A causal model of attention (causal abstraction: Geiger et al., arXiv:2106.02997) makes the weight
A[i, j] with which position i reads position j from named variables:

- F[i, j], a function of the two positions, whatever stands there;
- G[i, j] = g(x_i, x_j), a function of the two tokens, wherever they stand.

Models differ in what they have: semantic mixing only G, positional mixing only F, mixed mixing the
sum of both, uninformed mixing neither. On one sequence all of them can have the same weights. An
interchange tells them apart: either variable is given the value that it has in a sequence of the
same tokens in another order.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Order:
    """Where the base has what the source has at each position.

    One and the same for positions that read and positions that are read would not do: a position
    would read itself in both. Of equal tokens any may therefore stand for the others.

    Args:
        queries: for every position of the source as one that reads.
        keys: for every position of the source as one that is read.
    """

    queries: Int[Tensor, "*batch pos"]
    keys: Int[Tensor, "*batch pos"]

    def of(self, weights: Float[Tensor, "*batch q k"]) -> Float[Tensor, "*batch q k"]:
        """A[queries[i], keys[j]] in the place of A[i, j]."""
        rows = weights.gather(-2, self.queries.unsqueeze(-1).expand_as(weights))
        return rows.gather(-1, self.keys.unsqueeze(-2).expand_as(weights))

    @property
    def back(self) -> "Order":
        """The inverse: where the source has what the base has."""
        return Order(self.queries.argsort(-1), self.keys.argsort(-1))


@dataclass(frozen=True)
class MixingModel:
    """Which variables the weights are made of.

    Args:
        name: the kind of attention, as labels call it.
        positional: there is F.
        semantic: there is G.
    """

    name: str
    positional: bool
    semantic: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of its variables."""
        return ("F",) * self.positional + ("G",) * self.semantic

    def after(
        self,
        own: Float[Tensor, "*shape"],
        F: Float[Tensor, "*#shape"],
        level: Float[Tensor, "*#shape"],
        moved: str,
        move: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "*shape"]:
        """What the weights are made of after an interchange, by the model.

        Args:
            own: of the base sequence, on a scale on which F and G add up: weights, or what makes
                them.
            F: what positions give, where there is G as well. Broadcast.
            level: what tells nothing: all there is where there is neither. Broadcast.
            moved: the variable that is set to its value in the source, "F" or "G".
            move: puts in the place of what the base has what the source has.

        Returns:
            own, but for the part that the variable has in it, which is that of the source. A model
            with one variable has everything in it.
        """
        if not self.variables:
            return level.expand_as(own)
        if moved not in self.variables:
            return own
        if len(self.variables) == 1:
            return move(own)
        stays = (own - F) if moved == "F" else F.expand_as(own)
        return stays + move(own - stays)


SEMANTIC = MixingModel("semantic", positional=False, semantic=True)
POSITIONAL = MixingModel("positional", positional=True, semantic=False)
MIXED = MixingModel("mixed", positional=True, semantic=True)
UNINFORMED = MixingModel("uninformed", positional=False, semantic=False)
# The simplest first: of equals the first is the best. `mixed` has all others as special cases.
MIXING = (UNINFORMED, POSITIONAL, SEMANTIC, MIXED)
