"""Count transport: does the count written for one token serve another?

The count component of token s is the difference of residual means M_s(c') - M_s(c) at
hook_resid_mid of the last block, a difference vector and so free of the residual stream's gauge.
From there on every position is read alone. Added to another token's residual, the component moves
that token's answer only if the other token reads what s writes (`sharing.py` has who does both).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.base.chunks import joined
from mechprobe.probes.counting.cells import CountCells
from mechprobe.probes.counting.sharing import LEAST_SLOPE as LEAST_SLOPE
from mechprobe.probes.counting.sharing import Sharing

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

DOSES = (-2, -1, 1, 2)
CUT = 0.5  # average-linkage distance at which counters part


@dataclass(frozen=True)
class Transport:
    """Slopes of the answered count on the patched count change dc, |dc| <= 2.

    Args:
        numerator: sum over dc of dc * shift of the answer, [target, count, rep, source].
        weight: sum over dc of dc^2, [count].
        counters: cluster index of each token, [T].
    """

    numerator: Float[np.ndarray, "target count rep source"]
    weight: Float[np.ndarray, " count"]
    counters: Int[np.ndarray, " token"]

    def matrix(self) -> Float[np.ndarray, "target source"]:
        """X_ts, the slope at target t of source s."""
        slopes: Float[np.ndarray, "target source"] = slope(self.numerator, self.weight)
        return slopes

    @cached_property
    def sharing(self) -> Sharing:
        """What every token receives and sends."""
        return Sharing.of(self.matrix(), self.counters)

    def kappa(self) -> Float[np.ndarray, " token"]:
        """How far every token takes part in others' counts; see `Sharing.kappa`."""
        return self.sharing.kappa()


def slope(
    numerator: Float[np.ndarray, "target count rep source"], weight: Float[np.ndarray, " count"]
) -> Float[np.ndarray, "target source"]:
    """Least-squares slope through the origin, pooled over counts and repetitions."""
    total = weight.sum() * numerator.shape[2]
    return np.asarray(numerator.sum((1, 2)) / total)


def measure(
    model: "HookedTransformer", places: Sequence[tuple[CountCells, CountCells]]
) -> Transport:
    """Patch every token's count component into every other token's residual.

    Args:
        model: its read-out from hook_resid_mid is used; it acts on every position alone.
        places: cells the count means come from, and cells that are patched, none of which entered
            the means; a pair for each place where counts are looked at.
    """
    counts = places[0][1].predicted.shape[1]
    weight = _weight(counts, places[0][0].resid.dtype)
    parts = [_numerator(model, reference, held_out) for reference, held_out in places]
    numerator = np.concatenate(parts, axis=2)
    return Transport(numerator, weight, cluster(slope(numerator, weight)))


def _weight(counts: int, dtype: torch.dtype) -> Float[np.ndarray, " count"]:
    squares = torch.tensor(DOSES, dtype=dtype).square()
    weight: np.ndarray = (admissible(counts) * squares).sum(-1).double().numpy()
    return weight


def _numerator(
    model: "HookedTransformer", reference: CountCells, held_out: CountCells
) -> Float[np.ndarray, "target count rep source"]:
    T = len(held_out.predicted)
    dose = torch.tensor(DOSES, dtype=reference.resid.dtype)
    rows = []
    for piece in reference.target_pieces(len(DOSES)):
        found = differences(reference.means_of(piece))[0]
        rows += [
            _responses(model, held_out.resid[t], held_out.predicted[t], one, dose, t)
            for t, one in zip(range(T)[piece], found, strict=True)
        ]
    numerator: np.ndarray = torch.stack(rows).numpy()
    return numerator


def differences(
    means: Float[Tensor, "target token count d"],
) -> tuple[Float[Tensor, "target token count dose d"], Bool[Tensor, "count dose"]]:
    """M_s(c + dc) - M_s(c) for every dc, and whether c + dc is a measured count."""
    C = means.shape[2]
    return means[:, :, _goal(C).clamp(0, C - 1)] - means.unsqueeze(3), admissible(C)


def admissible(counts: int) -> Bool[Tensor, "count dose"]:
    """Whether c + dc is a measured count."""
    goal = _goal(counts)
    return (goal >= 0) & (goal < counts)


def one_way(counts: int) -> Bool[Tensor, "count dose"]:
    """Whether c + dc is a measured count and c - dc is none."""
    valid = admissible(counts)
    return valid & ~valid.flip(-1)


def _goal(counts: int) -> Int[Tensor, "count dose"]:
    return torch.arange(counts).unsqueeze(-1) + torch.tensor(DOSES, dtype=torch.int64)


def _responses(
    model: "HookedTransformer",
    resid: Float[Tensor, "count rep d"],
    base: Int[Tensor, "count rep"],
    delta: Float[Tensor, "source count dose d"],
    dose: Float[Tensor, " dose"],
    own: int,
) -> Float[Tensor, "count rep source"]:
    """Doses times shifts of the answer, summed over the doses of every count.

    At the least count every dose is positive, and any disturbance can only raise the answer: it
    would pass for a slope. Where a dose has no opposite that leads to a measured count, the same
    vector is subtracted as a control, and what it moves the answer inward is taken off; not for the
    token's own count, of which too little would be left where answers follow it in part.
    """
    C = base.shape[0]
    count, at = admissible(C).nonzero().T  # one row for each dose that leads to a measured count
    alone, control = one_way(C).nonzero().T

    def shifts(count: Tensor, at: Tensor, sign: int) -> Int[Tensor, "row rep source"]:
        def answers(piece: slice) -> Tensor:
            moved = sign * delta[:, count[piece], at[piece]].transpose(0, 1).unsqueeze(1)
            answered: Tensor = model.read_out(resid[count[piece]].unsqueeze(2) + moved).argmax(-1)
            return answered

        width = max(resid.shape[-1], model.cfg.d_mlp or 0, model.cfg.d_vocab_out or 0)
        each = base.shape[1] * delta.shape[0] * width * resid.element_size()
        with torch.no_grad():
            return joined(len(count), each, answers) - base[count].unsqueeze(-1)

    shift = shifts(count, at, 1) * dose[at, None, None]
    inward = (shifts(alone, control, -1) * dose[control, None, None]).clamp(min=0)
    inward[..., own] = 0
    total = shift.new_zeros(*base.shape, delta.shape[0])
    return total.index_add_(0, count, shift).index_add_(0, alone, -inward).double()


def cluster(X: Float[np.ndarray, "target source"]) -> Int[np.ndarray, " token"]:
    """Counters: average-linkage clusters of min(X_ts, X_st) / sqrt(X_tt X_ss), cut at CUT."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    own = np.clip(np.diagonal(X), 0, None)
    scale = np.sqrt(np.outer(own, own))
    similarity = np.divide(
        np.minimum(X, X.T), scale, out=np.zeros_like(X), where=scale > LEAST_SLOPE
    ).clip(0, 1)
    distance = 1 - similarity
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), method="average")
    # Clusters merge below the cut, not at it.
    found = fcluster(tree, np.nextafter(CUT, 0), criterion="distance") - 1
    # Name clusters by size, largest first, so that figures order tokens alike.
    order = np.argsort(-np.bincount(found), kind="stable")
    names: Int[np.ndarray, " token"] = np.argsort(order)[found].astype(np.int64)
    return names
