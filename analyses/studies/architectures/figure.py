"""The picture: accuracy and kappa of every model, by base and variation."""

import math
from collections.abc import Sequence
from typing import Literal

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mechprobe.analyses.studies.architectures.rows import Comparison, Row
from mechprobe.analyses.studies.architectures.words import fraction
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.counting.label.rule import PRIVATE, SHARED, SOLVED
from mechprobe.probes.drawing import GREY

# Shape beside colour, for readers who see no colours.
MARKS = dict(zip(COUNTING.kinds, "os^vP*X", strict=True))
COLOURS = {name: kind.colour for name, kind in COUNTING.kinds.items()}
KAPPA = (-0.6, 1.8)  # drawn; kappa of what is not solved is a ratio of small numbers
SPREAD = 0.5  # of the seeds within a line
ACCURACY = (0.88, 1.005)  # drawn; what is below stands at the edge with its number


def draw(comparison: Comparison) -> Figure:
    """A column for each base; accuracy above, kappa below, variations down the side."""
    n = len(comparison.variations)
    size = (2.2 + 2.9 * len(comparison.bases), 2.2 + 0.5 * n)
    figure = Figure(figsize=size)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    with sns.axes_style("whitegrid", {"grid.color": ".92"}), sns.plotting_context("notebook", 0.75):
        panels = figure.subplots(2, len(comparison.bases), sharey=True, squeeze=False)
    for column, base in enumerate(comparison.bases):
        above, below = panels[:, column]
        for line, variation in enumerate(comparison.variations):
            group = comparison.group(base, variation)
            _points(above, group, line, "accuracy", ACCURACY)
            _points(below, group, line, "kappa", KAPPA)
            below.text(
                1.02, line, fraction(comparison, base, variation), fontsize=8, va="center",
                transform=below.get_yaxis_transform(),
            )  # fmt: skip
        above.set_title(base, fontsize=11)
        above.set(xlabel="accuracy", xlim=ACCURACY)
        below.text(1.0, 1.015, "differ", fontsize=8, color=GREY, transform=below.transAxes)
        below.set(xlabel="κ: do tokens share a counter?", xlim=KAPPA)
        _threshold(above, SOLVED, "solved", "left")
        _threshold(below, SHARED, "shared", "left")
        _threshold(below, PRIVATE, "private", "right")
        _threshold(below, -PRIVATE, "", "right")
    _sides(list(panels[:, 0]), comparison)
    _legend(figure, comparison)
    return figure


def _points(
    axes: Axes, group: Sequence[Row], line: int, quantity: str, ends: tuple[float, float]
) -> None:
    middle, step = (len(group) - 1) / 2, SPREAD / max(len(group) - 1, 1)
    for place, row in enumerate(group):
        value, kind = getattr(row, quantity), _kind(row)
        if value is None:
            continue
        shown, height = min(max(value, ends[0]), ends[1]), line + (place - middle) * step
        axes.plot(
            shown, height, MARKS[kind], ms=5.5, color=COLOURS[kind], mec="black", mew=0.4,
            clip_on=False, zorder=3,
        )  # fmt: skip
        if shown != value:
            inward = 1 if shown == ends[0] else -1
            axes.annotate(
                f"{value:.2f}", (shown, height), (5 * inward, 0), textcoords="offset points",
                ha="left" if inward > 0 else "right", va="center", fontsize=6,
            )  # fmt: skip


def _kind(row: Row) -> str:
    return row.mechanism or "unsolved"


def _threshold(axes: Axes, value: float, name: str, side: Literal["left", "right"]) -> None:
    axes.axvline(value, color=GREY, lw=0.9, ls="--", zorder=1)
    axes.text(
        value, 0.99, f" {name} ", color=GREY, fontsize=7, va="top", ha=side,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip


def _sides(left: list[Axes], comparison: Comparison) -> None:
    n = len(comparison.variations)
    for axes in left:
        axes.set(
            yticks=range(n), yticklabels=list(comparison.variations), ylim=(n - 0.5, -1.1),
            ylabel="variation",
        )  # fmt: skip


def _legend(figure: Figure, comparison: Comparison) -> None:
    met = {_kind(row) for row in comparison.rows}
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[kind],
            marker=mark,
            ls="",
            mec="black",
            mew=0.4,
            label=kind,
        )
        for kind, mark in MARKS.items()
        if kind in met
    ]
    handles.append(
        Line2D([], [], ls="", label="differ: solved models with another mechanism than the base")
    )
    columns = math.ceil(len(handles) / 2) if len(handles) > 4 else len(handles)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8
    )
