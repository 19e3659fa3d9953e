"""Count transport: does the count written for one token serve another?

The count component of token s is the difference of residual means M_s(c') - M_s(c) at
hook_resid_mid of the last block, a difference vector and so free of the residual stream's gauge.
From there on every position is read alone. Added to another token's residual, the component moves
that token's answer only if both share a counter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

from mechprobe.models import HookedTransformer
from mechprobe.models.base.chunks import joined
from mechprobe.probes.counting.cells import CountCells

DOSES = (-2, -1, 1, 2)
CUT = 0.5  # average-linkage distance at which counters part
LEAST_SLOPE = 0.05  # own slope below which a token does not follow its own count


@dataclass(frozen=True)
class Transport:
    """Slopes of the answered count on the patched count change dc, |dc| <= 2.

    Args:
        numerator: sum over dc of dc * shift of the answer, [target, count, rep, source].
        pooled: the same for two pooled sources that leave the target out: all other tokens,
            and the other tokens of its own counter, [target, count, rep, 2].
        weight: sum over dc of dc^2, [count].
        counters: cluster index of each token, [T].
        alone: whether a token is the only one of its counter, [T].
    """

    numerator: Float[np.ndarray, "target count rep source"]
    pooled: Float[np.ndarray, "target count rep 2"]
    weight: Float[np.ndarray, " count"]
    counters: Int[np.ndarray, " token"]
    alone: Bool[np.ndarray, " token"]

    def matrix(self) -> Float[np.ndarray, "target source"]:
        """X_ts, the slope at target t of source s."""
        slopes: Float[np.ndarray, "target source"] = slope(self.numerator, self.weight)
        return slopes

    def kappa(self) -> Float[np.ndarray, " token"]:
        """Cross-token slope over own slope, the larger of the two pooled sources."""
        return kappa(slope(self.pooled, self.weight), np.diagonal(self.matrix()), self.alone)


def slope(
    numerator: Float[np.ndarray, "target count rep source"], weight: Float[np.ndarray, " count"]
) -> Float[np.ndarray, "target source"]:
    """Least-squares slope through the origin, pooled over counts and repetitions."""
    total = weight.sum() * numerator.shape[2]
    return np.asarray(numerator.sum((1, 2)) / total)


def kappa(
    pooled: Float[np.ndarray, "*batch token 2"],
    own: Float[np.ndarray, "*batch token"],
    alone: Bool[np.ndarray, " token"],
) -> Float[np.ndarray, "*batch token"]:
    """Leave-one-out transport of every token; NaN where a token does not follow its own count."""
    best = np.where(alone, pooled[..., 0], pooled.max(-1))
    follows = own > LEAST_SLOPE
    return np.where(follows, best / np.where(follows, own, 1.0), np.nan)


def measure(model: HookedTransformer, reference: CountCells, held_out: CountCells) -> Transport:
    """Patch every token's count component into every other token's residual.

    Args:
        model: its read-out from hook_resid_mid is used; it acts on every position alone.
        reference: cells the count means come from.
        held_out: cells that are patched; none of them entered the means.
    """
    T, C, _ = held_out.predicted.shape
    valid, dose = admissible(C), torch.tensor(DOSES, dtype=reference.resid.dtype)

    @lru_cache(1)  # of all targets, where they are one piece
    def delta(start: int, stop: int) -> Float[Tensor, "target source count dose d"]:
        return differences(reference.means_of(slice(start, stop)))[0]

    def respond(sources: Callable[[Tensor, slice], Tensor]) -> Tensor:
        rows = []
        for piece in reference.target_pieces(len(DOSES)):
            some = sources(delta(piece.start, piece.stop), piece)
            rows += [
                _responses(model, held_out.resid[t], held_out.predicted[t], one, valid, dose)
                for t, one in zip(range(T)[piece], some, strict=True)
            ]
        return torch.stack(rows)

    numerator = respond(lambda found, _: found).numpy()
    weight = (valid * dose.square()).sum(-1).double().numpy()
    counters = cluster(slope(numerator, weight))
    alone = np.bincount(counters)[counters] == 1
    weights = _leave_one_out(torch.from_numpy(counters), reference.resid.dtype)
    pooled = respond(
        lambda found, piece: torch.einsum("tps,tscki->tpcki", weights[piece], found)
    ).numpy()
    return Transport(numerator, pooled, weight, counters, alone)


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


def _goal(counts: int) -> Int[Tensor, "count dose"]:
    return torch.arange(counts).unsqueeze(-1) + torch.tensor(DOSES, dtype=torch.int64)


def _leave_one_out(
    counters: Int[Tensor, " token"], dtype: torch.dtype
) -> Float[Tensor, "target pool token"]:
    """Weights of the mean over all other tokens, and over the others with the same counter."""
    other = 1 - torch.eye(len(counters), dtype=dtype)
    same = (counters.unsqueeze(0) == counters.unsqueeze(1)).to(dtype) * other
    weights = torch.stack([other, same], dim=1)
    return weights / weights.sum(-1, keepdim=True).clamp(min=1)


def _responses(
    model: HookedTransformer,
    resid: Float[Tensor, "count rep d"],
    base: Int[Tensor, "count rep"],
    delta: Float[Tensor, "source count dose d"],
    valid: Bool[Tensor, "count dose"],
    dose: Float[Tensor, " dose"],
) -> Float[Tensor, "count rep source"]:
    count, at = valid.nonzero().T  # one row for each dose that leads to a measured count

    def answers(piece: slice) -> Tensor:
        moved = delta[:, count[piece], at[piece]].transpose(0, 1).unsqueeze(1)
        answered: Tensor = model.read_out(resid[count[piece]].unsqueeze(2) + moved).argmax(-1)
        return answered

    width = max(resid.shape[-1], model.cfg.d_mlp or 0, model.cfg.d_vocab_out or 0)
    each = base.shape[1] * delta.shape[0] * width * resid.element_size()
    with torch.no_grad():
        answer = joined(len(count), each, answers)
    shift = (answer - base[count].unsqueeze(-1)) * dose[at, None, None]
    total = shift.new_zeros(*base.shape, delta.shape[0])
    return total.index_add_(0, count, shift).double()


def cluster(X: Float[np.ndarray, "target source"]) -> Int[np.ndarray, " token"]:
    """Counters: average-linkage clusters of min(X_ts, X_st) / sqrt(X_tt X_ss), cut at CUT."""
    own = np.clip(np.diagonal(X), 0, None)
    scale = np.sqrt(np.outer(own, own))
    similarity = np.divide(
        np.minimum(X, X.T), scale, out=np.zeros_like(X), where=scale > LEAST_SLOPE
    ).clip(0, 1)
    distance = 1 - similarity
    np.fill_diagonal(distance, 0)
    found = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=CUT
    ).fit_predict(distance)
    # Name clusters by size, largest first, so that figures order tokens alike.
    order = np.argsort(-np.bincount(found), kind="stable")
    names: Int[np.ndarray, " token"] = np.argsort(order)[found].astype(np.int64)
    return names
