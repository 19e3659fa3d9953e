"""Linear probes: does a probe of the count that was fitted on some tokens read others?"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.analyses.bench.methods.registry import method
from mechprobe.analyses.bench.methods.sharing import (
    Places,
    accuracy_of,
    balanced,
    by_share,
    streams,
)
from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.models.base.draws import draw_order
from mechprobe.probes.draws import generator

REPS, HALVES = 16, 4  # sequences of a (token, count); ways to part the tokens
# Penalties that are tried, relative to the features' mean square: a count may ride on a small part
# of the stream. Half of the sequences choose among them.
RIDGES = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)


@method("linear-probes", source="Alain and Bengio, arXiv:1610.01644; Belinkov, arXiv:2102.12452")
def linear_probes(model: HookedTransformer, task: HistogramTask, seed: int) -> Mapping[str, float]:
    """Accuracy of a probe of the count on tokens it was not fitted on, over that on its own."""
    draws = generator(seed, "linear probes")
    fit, check, held = (balanced(task, reps, draws) for reps in (REPS, REPS // 4, REPS // 4))
    X, Y, Z = (_features(streams(model, places)) for places in (fit, check, held))

    def read(fitted: Tensor, asked: Tensor) -> float:
        """Accuracy on some tokens of a probe that was fitted on some."""
        rows, checked, at = (
            _among(p, t) for p, t in ((fit, fitted), (check, fitted), (held, asked))
        )
        weights = _ridges(X[rows], fit.counts[rows])
        good = _right(Y[checked] @ weights, check.counts[checked], task.counts)
        best = int(good.argmax())
        return float(_right(Z[at] @ weights, held.counts[at], task.counts)[best])

    every = torch.arange(task.T)
    own = sum(read(every[t : t + 1], every[t : t + 1]) for t in range(task.T)) / task.T
    cross = 0.0
    for _ in range(HALVES):
        order = draw_order(task.T, draws)
        cross += read(order[: (task.T + 1) // 2], order[(task.T + 1) // 2 :]) / HALVES
    chance = 1 / task.counts
    found, follows = (max(one - chance, 0.0) / (1 - chance) for one in (own, cross))
    return by_share(accuracy_of(model, task, draws), follows / max(found, 1e-9), found)


def _features(resid: Float[Tensor, "row d"]) -> Float[Tensor, "row d_and_1"]:
    """With a constant, for the intercept."""
    return torch.nn.functional.pad(resid.double(), (0, 1), value=1.0)


def _among(places: Places, tokens: Int[Tensor, " some"]) -> Bool[Tensor, " row"]:
    return (places.token.unsqueeze(-1) == tokens).any(-1)


def _ridges(
    x: Float[Tensor, "row feature"], count: Int[Tensor, " row"]
) -> Float[Tensor, "feature penalty"]:
    """Ridge regressions of the count, one for each penalty."""
    scale = x.square().mean(0).sqrt().clamp(min=1e-12)
    x = x / scale
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    penalty = torch.tensor(RIDGES, dtype=x.dtype)
    along = vectors.T @ (x.T @ count.to(x.dtype)) / len(x)
    weights: Tensor = vectors @ (
        along.unsqueeze(-1) / (values.clamp(min=0).unsqueeze(-1) + penalty)
    )
    back: Tensor = weights / scale.unsqueeze(-1)
    return back


def _right(
    read: Float[Tensor, "row penalty"], count: Int[Tensor, " row"], top: int
) -> Float[Tensor, " penalty"]:
    """Share of counts that each probe, rounded, reads rightly."""
    return (read.round().clamp(1, top) == count.unsqueeze(-1)).double().mean(0)
