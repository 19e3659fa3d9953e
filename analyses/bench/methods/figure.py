"""Reliability curves of all methods, and their errors by part."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mechprobe.analyses.bench.methods.answers import Answers, Truth
from mechprobe.analyses.bench.methods.scorer import EVERY, decisions, score
from mechprobe.probes.drawing import GREY, blank

__all__ = ["reliability"]

# Okabe and Ito's palette, told apart by colour-blind readers; markers beside it.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X"
POINTS = 5  # of a curve, with about as many models each


def reliability(truth: Mapping[str, Truth], answers: Sequence[Answers]) -> Figure:
    """Left, share of right kinds against the fitted probability, a curve a method; right, errors.

    Args:
        truth: of the models.
        answers: of the methods; judged on the second half of the models.
    """
    figure, (axes, errors) = blank(2, width=5.0, height=4.0)
    axes.plot([0, 1], [0, 1], color=GREY, ls=":", label="perfectly calibrated")
    for i, one in enumerate(answers):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        x, y = _curve(truth, one)
        if len(x):
            axes.plot(x, y, color=colour, marker=marker, ms=4, lw=1, label=one.method)
        row = next(row for row in score(truth, one) if row.part == EVERY)
        bars = (
            (row.error, row.low, row.high, 0.15, 1.0),
            (row.said_error, row.said_low, row.said_high, -0.15, 0.4),
        )
        for value, low, high, offset, alpha in bars:
            if value is not None and low is not None and high is not None:
                errors.errorbar(
                    value, i + offset, xerr=[[value - low], [high - value]],
                    color=colour, marker=marker, ms=4, capsize=2, alpha=alpha,
                )  # fmt: skip
    axes.set(
        xlabel="probability by the fitted decision", ylabel="share of right kinds",
        title="Reliability", xlim=(0, 1.02), ylim=(-0.02, 1.02),
    )  # fmt: skip
    axes.legend(fontsize=7, loc="upper left")
    errors.set_yticks(range(len(answers)), [one.method for one in answers])
    errors.invert_yaxis()
    errors.set(
        xlabel="share of wrong kinds, 95 % interval", xlim=(0, 1),
        title="Errors: fitted (dark), as the method says (light)",
    )  # fmt: skip
    return figure


def _curve(truth: Mapping[str, Truth], answers: Answers) -> tuple[list[float], list[float]]:
    found = [one for one in decisions(truth, answers) if one.confidence is not None]
    found.sort(key=lambda one: one.confidence or 0.0)
    groups = [group for group in np.array_split(np.arange(len(found)), POINTS) if len(group)]
    x = [float(np.mean([found[k].confidence for k in group])) for group in groups]
    y = [float(np.mean([found[k].truth.right(found[k].fitted) for k in group])) for group in groups]
    return x, y
