"""Controls of interchange interventions: what would come out if there were nothing to find?

Three of them go beside every number (Arora et al., arXiv:2402.12560; the analysis tools of
TransformerLens have the same three for subspaces that are learned):

- untrained: the same interchanges in a network of the same configuration before training;
- shuffled: count means of sequences whose counts were dealt out again at random;
- random: the count means of each token in a random subspace, of the same rank and with the same
  lengths and angles among them.

The residual stream has no inner product of its own. Lengths, angles and random directions
are those of the count means' own covariance, so that no control depends on the basis.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.models.tasks import BalancedSequences
from mechprobe.probes.counting.cells import CountCells
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.interchange import (
    Interchange,
    Parts,
)
from mechprobe.probes.counting.written_counts import Means, means_of
from mechprobe.probes.reading import context_for
from mechprobe.probes.untrained import OfUntrained

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

BASES = 2  # base sequences of each (token, count) cell
RANK = 1e-10  # share of the greatest variance up to which a direction is rounding


@dataclass(frozen=True)
class Controls:
    """The same measurement three times where it should find nothing; see the module.

    Args:
        untrained: of a network before training. Tokens have no counters there, so that all other
            tokens stand for a token's group.
        shuffled: of this network, with shuffled counts.
        random: of this network, in a random subspace.
    """

    untrained: Parts
    shuffled: Parts
    random: Parts


def controls(context: CountContext, found: Interchange) -> Controls:
    """Controls of one network's interchanges.

    Args:
        context: of the network.
        found: its interchanges; counters and sizes are taken from there.
    """
    model, held = context.model, context.held_out
    means, true = random_means(context), context.reference.means
    # What is special to a sequence stays, its count is told in the random subspace.
    moved = replace(held, resid=held.resid + (means(0) - true).unsqueeze(2))
    return Controls(
        untrained=UNTRAINED(model, context.task, context.seed),
        shuffled=_parts(
            model,
            held,
            means_of(dealt_anew(context, context.reference, "shuffled means")),
            dealt_anew(context, held, "shuffled sources"),
            found.size,
            found.counters,
        ),
        random=_parts(model, held, means, moved, found.size, found.counters),
    )


def dealt_anew(context: CountContext, cells: CountCells, purpose: str) -> CountCells:
    """Cells with the sequences of every token dealt out at random over its counts."""
    T, C, R = cells.predicted.shape
    order = context.uniform_numbers(purpose, (T, C * R)).argsort(-1)

    def dealt(values: Tensor) -> Tensor:
        flat = values.flatten(1, 2)
        return flat[torch.arange(T).unsqueeze(1), order].view(values.shape)

    data = cells.data
    moved = BalancedSequences(dealt(data.tokens), dealt(data.position), data.counts)
    return CountCells(moved, dealt(cells.resid), dealt(cells.predicted))


def random_means(context: CountContext, reference: CountCells | None = None) -> Means:
    """For every token count means in a random subspace, the same for all targets.

    Lengths and angles between a token's means stay, and so does the rank of what they span (as far
    as the stream has so many directions).

    Args:
        context: of the network; its own reference cells where no others are given.
        reference: cells that the means are those of.
    """
    reference = context.reference if reference is None else reference
    means = reference.means.double()
    T, C, _ = means.shape
    rows = (means - means.mean((0, 1))).flatten(0, 1)
    left, size, _ = torch.linalg.svd(rows, full_matrices=False)
    # Rows of `white` are the means where their own covariance is the unit matrix.
    white = left[:, size.square() > RANK * size[0].square()]
    own = white.view(T, C, -1)
    own = own - own.mean(1, keepdim=True)
    gram = own @ own.mT
    lots = context.uniform_numbers("random subspace", (T, C, T, C), token_axes=(0, 2))
    lots = torch.special.ndtri(lots.clamp(min=1e-12)).flatten(2)
    lots = _power(gram, 0.0) @ lots  # as many directions as the means span
    drawn = lots @ white
    turned = _power(gram, 0.5) @ _power(drawn @ drawn.mT, -0.5) @ lots @ rows
    found = (means.mean(1, keepdim=True) + turned).to(reference.resid.dtype)
    return lambda target: found


def _power(gram: Float[Tensor, "*batch n n"], exponent: float) -> Float[Tensor, "*batch n n"]:
    """A power of a positive semidefinite matrix on what it does not send to zero."""
    values, vectors = torch.linalg.eigh(gram)
    there = values > RANK * values[..., -1:]
    powers = torch.where(there, values.where(there, 1.0) ** exponent, 0.0)
    found: Tensor = vectors * powers.unsqueeze(-2) @ vectors.mT
    return found


def _parts(
    model: "HookedTransformer",
    held: CountCells,
    means: Means,
    alone: CountCells,
    size: Float[np.ndarray, "token pool"],
    counters: Int[np.ndarray, " token"],
) -> Parts:
    data = held.data
    few = CountCells(
        BalancedSequences(data.tokens[:, :, :BASES], data.position[:, :, :BASES], data.counts),
        held.resid[:, :, :BASES],
        held.predicted[:, :, :BASES],
    )
    return Parts(model, few, means, alone, BASES, size, counters)


def _of_untrained(model: "HookedTransformer", task: HistogramTask, seed: int) -> Parts:
    context: Any = context_for(model, task, seed)
    held, means = context.held_out, means_of(context.reference)
    size, one = np.ones((task.T, 2)), np.zeros(task.T, dtype=np.int64)
    return _parts(context.model, held, means, held, size, one)


UNTRAINED = OfUntrained(_of_untrained)
