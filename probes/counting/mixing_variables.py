"""What causal models of attention make of a network's mixing weights after an interchange.

Weights that are positive and sum to one over keys are taken on the scale of their logarithm, on
which a softmax adds what positions and tokens give; others as they are.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.models.tasks.mixing_models import MIXING, MixingModel, Order
from mechprobe.probes.counting.context import CountContext

SMALLEST = 1e-30  # weight below which its logarithm is that of this
SUM = 1e-3  # by how much the weights of a row may miss one
VARIABLES = ("F", "G")
OWN = "own"  # what a causal model has where the variable that is moved is none of its own

Weights = list[Float[Tensor, "n head q k"]]  # of every block


@dataclass(frozen=True)
class Scale:
    """On which the parts of a block's weights add up.

    Args:
        logarithm: of the weights, else the weights themselves.
    """

    logarithm: bool

    @classmethod
    def of(cls, weights: Float[Tensor, "n head q k"]) -> "Scale":
        """The scale of given weights."""
        sums = (weights.sum(-1) - 1).abs().max()
        return cls(bool(weights.min() >= 0 and sums <= SUM))

    def to(self, weights: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Weights on this scale."""
        precise = weights.to(torch.promote_types(weights.dtype, torch.float32))
        return precise.clamp(min=SMALLEST).log() if self.logarithm else precise

    def back(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The weights."""
        return scaled.softmax(-1) if self.logarithm else scaled


def state_of(model: MixingModel, moved: str) -> str:
    """What a causal model has after an interchange, by a name that others share."""
    if not model.variables:
        return model.name
    return f"{model.name} {moved}" if moved in model.variables else OWN


def states(
    context: CountContext, own: Weights, orders: dict[str, Order], hidden: bool
) -> dict[str, Weights]:
    """Weights that causal models have after interchanges, each once."""
    task = context.task
    distinct = {state_of(model, moved): (model, moved) for model in MIXING for moved in VARIABLES}
    del distinct[OWN]
    found: dict[str, Weights] = {OWN: own, **{state: [] for state in distinct}}
    for weights, every in zip(own, context.patterns, strict=True):
        scale = Scale.of(weights)
        scaled, F = scale.to(weights), of_positions(context.tokens, every, scale, task)
        level = _level(scaled, int(task.bos), hidden)
        for state, (model, moved) in distinct.items():
            order = _of_heads(orders[moved], weights)
            found[state].append(scale.back(model.after(scaled, F, level, moved, order.of)))
    return found


def _level(
    scaled: Float[Tensor, "n head q k"], first: int, hidden: bool
) -> Float[Tensor, "n head q k"]:
    """Weights that tell neither tokens nor positions apart: their mean, apart for BOS."""
    out, rows = scaled.clone(), scaled[:, :, -1:] if hidden else scaled[:, :, first:]
    out[:, :, first:, first:] = rows[..., first:].mean((0, 2, 3), keepdim=True)
    out[:, :, first:, :first] = rows[..., :first].mean((0, 2), keepdim=True)
    return out


def of_positions(
    tokens: Int[Tensor, "n pos"],
    weights: Float[Tensor, "n head q k"],
    scale: Scale,
    task: HistogramTask,
) -> Float[Tensor, "head q k"]:
    """F[i, j], what positions give to the weights, on their scale and up to a constant.

    The mean over sequences that have one token at i and j, less what that token gives; for BOS over
    all. Logarithms are taken relative to the position itself, for each row has a constant of its
    own.
    """
    found = scale.to(weights).double()
    same = (tokens.unsqueeze(2) == tokens.unsqueeze(1)).double().unsqueeze(1)
    if scale.logarithm:
        found = found - found.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    else:
        each = (found * same).sum(-1) / same.sum(-1)  # mean over where i's token stands
        sums = each.new_zeros(task.n_vocab, each.shape[1])
        sums.index_add_(0, tokens.flatten(), each.transpose(1, 2).flatten(0, 1))
        number = tokens.flatten().bincount(minlength=task.n_vocab).clamp(min=1).unsqueeze(1)
        found = found - (sums / number)[tokens].transpose(1, 2).unsqueeze(-1)
    first = int(task.bos)
    same[..., :first, :], same[..., :first] = 1.0, 1.0
    mean: Tensor = (found * same).sum(0) / same.sum(0).clamp(min=1)
    return mean.to(weights.dtype)


def reordered(weights: Weights, order: Order) -> Weights:
    return [_of_heads(order, some).of(some) for some in weights]


def _of_heads(order: Order, weights: Float[Tensor, "n head q k"]) -> Order:
    """The same order for every head."""
    shape = weights.shape[:-1]
    return Order(*(one.unsqueeze(1).expand(shape) for one in (order.queries, order.keys)))
