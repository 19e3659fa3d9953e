"""Where the residual stream holds the count, and how much of that place tokens share.

Directions are compared after whitening with the residual stream's own covariance, an inner
product that a change of basis leaves alone.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from mechprobe.probes.counting.context import COUNTED, CountContext, needs_counts
from mechprobe.probes.drawing import BLUE, ORANGE, blank, heatmap
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def whitener(resid: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d k"]:
    """Linear map to coordinates of unit covariance, without directions that hold nothing."""
    if (resid == resid[0]).all():
        return np.zeros((resid.shape[1], 1))
    # The principal axes; R of a QR decomposition has the same and is small.
    _, triangle = torch.linalg.qr(torch.from_numpy(resid - resid.mean(0)), mode="r")
    _, lengths, axes = (x.numpy() for x in torch.linalg.svd(triangle, full_matrices=False))
    deviation = lengths / (len(resid) - 1) ** 0.5
    keep = deviation**2 > 1e-9 * deviation[0] ** 2
    return np.asarray((axes[keep] / deviation[keep, None]).T)


def shared_share(
    first: Float[np.ndarray, "token count k"], second: Float[np.ndarray, "token count k"]
) -> float:
    """Share of the count-related variance that different tokens have in common.

    Mean inner product of different tokens' centred count curves over that of a token's with
    itself; the two arguments come from different sequences, so that noise does not count.
    """
    products = np.einsum("tck,sck->ts", first, second)
    T = len(products)
    own = np.trace(products) / T
    cross = (products.sum() - np.trace(products)) / (T * (T - 1))
    return float(cross / own) if own > 0 else float("nan")


@probe(
    "counting-subspace",
    tasks=COUNTED,
    metrics={
        "shared_share": MetricSpec("count-related variance that all tokens share", "1", None, None),
        "variance_share": MetricSpec("count-related part of the residual variance", "1", 0, 1),
        "dimension": MetricSpec("participation ratio of the shared count curve", "dimensions", 1),
        "token_dimension": MetricSpec("the same for all tokens' curves together", "dimensions", 1),
        "direction_cosine": MetricSpec(
            "mean cosine of two tokens' count directions", "cosine", -1, 1
        ),
        "linearity": MetricSpec("R² of the shared magnitude as a line in the count", "1", 0, 1),
    },
    invariances=INVARIANCES,
)
def counting_subspace(context: CountContext) -> Measurement:
    """Directions in which the residual stream moves with the count, token by token."""
    white = whitener(context.reference.resid.flatten(0, 2).double().numpy())
    half = (context.reference.resid.double() @ torch.from_numpy(white)).numpy()
    reps = half.shape[2] // 2
    curves = [
        part - part.mean(1, keepdims=True)
        for part in (half[:, :, :reps].mean(2), half[:, :, reps:].mean(2))
    ]
    mean = (curves[0] + curves[1]) / 2
    shared = mean.mean(0)
    count = np.arange(1, mean.shape[1] + 1)
    centred = count - count.mean()
    directions = np.einsum("c,tck->tk", centred, mean)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True) + 1e-30
    cosines = directions @ directions.T
    axis = np.linalg.svd(shared, full_matrices=False)[2][0]
    axis = axis * np.sign(centred @ (shared @ axis) or 1.0)
    magnitude = mean @ axis
    rows = ~np.eye(len(cosines), dtype=bool)
    return Measurement(
        metrics={
            "shared_share": shared_share(*curves),
            "variance_share": float((mean**2).sum(-1).mean() / white.shape[1]),
            "dimension": participation(shared),
            "token_dimension": participation(mean.reshape(-1, mean.shape[-1])),
            "direction_cosine": cosines[rows].mean(),
            "linearity": linearity(count, magnitude.mean(0)),
        },
        arrays={"magnitude": magnitude, "cosines": cosines, "count": count},
    )


def participation(curve: Float[np.ndarray, "n k"]) -> float:
    """Effective number of dimensions, (sum of variances)^2 / sum of squared variances."""
    variances = np.linalg.svd(curve - curve.mean(0), compute_uv=False) ** 2
    return float(variances.sum() ** 2 / (variances**2).sum()) if variances.sum() > 0 else 1.0


counting_subspace.applies(needs_counts)


def linearity(
    count: Int[np.ndarray, " count"], magnitude: Float[np.ndarray, " count"]
) -> float | None:
    """R² of a line in the count; None where the magnitude does not vary."""
    if np.ptp(magnitude) < 1e-12:
        return None
    return float(np.corrcoef(count, magnitude)[0, 1] ** 2)


@counting_subspace.figure
def _draw(result: ProbeResult) -> "Figure":
    magnitude, count = result.arrays["magnitude"], result.arrays["count"]
    figure, (left, right) = blank(2)
    for one in magnitude:
        left.plot(count, one, color=BLUE, alpha=0.25, lw=0.8)
    left.plot(
        count, magnitude.mean(0), color=ORANGE, lw=2, marker="o", ms=4, label="mean over tokens"
    )
    left.set(
        xlabel="count",
        ylabel="along the shared direction\n(standard deviations)",
        title="Count component against count",
    )
    left.legend(fontsize=7)
    heatmap(
        right,
        result.arrays["cosines"],
        x="token",
        y="token",
        bar="cosine (whitened)",
        cmap="PuOr_r",
        vmin=-1,
        vmax=1,
        square=True,
    )
    right.set_title("Count directions of two tokens")
    return figure


@counting_subspace.words
def _say(result: ProbeResult) -> str:
    if result.metrics["shared_share"].value is None:
        return "The residual stream does not move with the count."
    return (
        f"Tokens share {result.value('shared_share'):.0%} of the variance that the count causes;"
        f" two tokens' count directions have a mean cosine of"
        f" {result.value('direction_cosine'):.2f}."
    )
