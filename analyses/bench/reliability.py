"""How reliable a confidence is, on labels whose truth is known."""

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from scipy.stats import binomtest

from mechprobe.models.base.draws import draw_uniform
from mechprobe.probes.drawing import BLUE, GREY, blank

BINS = 10
DRAWN = 4000  # populations of a perfectly calibrated method


def calibration_error(
    table: pd.DataFrame,
    confidence: str = "confidence",
    found: str = "mechanism",
    truth: str = "truth",
) -> float:
    """Mean distance between confidence and share of right labels, over bins of equal width; NaN
    for no models.

    Args:
        table: of rows.
        confidence, found, truth: columns of the axis.
    """
    sure = table[confidence].astype(float).to_numpy()
    return _error(sure, (table[found] == table[truth]).to_numpy()[np.newaxis])[0]


def perfect_error(table: pd.DataFrame, confidence: str = "confidence", seed: int = 0) -> float:
    """The mean calibration error of labels that are right exactly as often as they say.

    It is not zero: of few labels in a bin, the share of right ones strays from what is expected
    by chance alone. An error that is no larger tells nothing against the confidence.

    Args:
        table: of rows.
        confidence: column of the axis.
        seed: of the populations that are drawn.
    """
    sure = table[confidence].astype(float).to_numpy()
    generator = torch.Generator().manual_seed(seed)
    drawn = draw_uniform((DRAWN, len(sure)), generator, torch.float64).numpy()
    return float(np.mean(_error(sure, drawn < sure)))


def _error(
    sure: Float[np.ndarray, " label"], right: Bool[np.ndarray, "population label"]
) -> list[float]:
    """The expected calibration error of each population."""
    if not len(sure):
        return [float("nan")] * len(right)
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [
        abs(right[:, which == b].mean(1) - sure[which == b].mean()) * (which == b).mean()
        for b in np.unique(which)
    ]
    return [float(error) for error in np.sum(gaps, axis=0)]


def reliability(table: pd.DataFrame) -> Figure:
    """Share of right labels against confidence, with how many models stand behind each point."""
    right = (table.mechanism == table.truth).to_numpy()
    figure, (axes, below) = blank(2)
    axes.plot([0, 1], [0, 1], color=GREY, ls=":", label="perfectly calibrated")
    confidence = table.confidence.to_numpy()
    bins = np.minimum((confidence * 8).astype(int), 7)
    for b in np.unique(bins):
        here = right[bins == b]
        low, high = binomtest(int(here.sum()), len(here)).proportion_ci(method="wilson")
        at, share = confidence[bins == b].mean(), here.mean()
        axes.errorbar(at, share, [[share - low], [high - share]], color=BLUE, marker="o", capsize=2)
        axes.annotate(f"{len(here)}", (at, share), (5, -9), textcoords="offset points", fontsize=7)
    axes.plot([], [], color=BLUE, marker="o", label="labels: 95 % interval, number of models")
    axes.set(
        xlabel="confidence",
        ylabel="share of right labels",
        title="Reliability of the confidence",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    axes.legend(fontsize=7, loc="upper left")
    sns.histplot(
        x=table.confidence,
        hue=np.where(right, "right", "wrong"),
        ax=below,
        bins=20,
        binrange=(0, 1),
        multiple="dodge",
        palette={"right": BLUE, "wrong": "#D55E00"},
    )
    below.set(xlabel="confidence", ylabel="models", title="Right and wrong labels", yscale="log")
    return figure
