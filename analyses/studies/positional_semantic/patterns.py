"""Attention matrices on the example sequences: letters on the axes, equal tokens framed."""

from collections.abc import Sequence
from string import ascii_uppercase

import numpy as np
import seaborn as sns
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from mechprobe.analyses.studies.positional_semantic.contents import PositionalSemantic
from mechprobe.probes.drawing import ORANGE

LEVELS = 20  # shades; few enough for a small picture
LIGHT = 0.85  # the scale's darkest blue would hide the frames
Rows = Sequence[tuple[str, list[list[list[float]]]]]


def letter(token: int) -> str:
    """Token 0 is A; beyond Z the number stands for itself."""
    return ascii_uppercase[token] if token < len(ascii_uppercase) else str(token)


def spelt(tokens: Sequence[int]) -> str:
    """A sequence in letters."""
    letters = [letter(token) for token in tokens]
    return "".join(letters) if max(map(len, letters)) == 1 else " ".join(letters)


def draw(rows: Rows, examples: Sequence[Sequence[int]]) -> Figure:
    """One row of matrices a model, one column a sequence; all on one scale of per cent.

    Args:
        rows: what a row is, and its patterns [sequence][query][key].
        examples: token ids of the sequences.
    """
    size = len(examples[0])
    side = max(2.2, 0.36 * size)
    figure = Figure(figsize=(side * len(examples) + 0.6, (side + 0.3) * len(rows) + 0.2))
    figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.06)
    top = max(np.max(patterns) for _, patterns in rows)
    with sns.plotting_context("notebook", 0.75):
        axes = figure.subplots(len(rows), len(examples), squeeze=False)
    for row, (name, patterns) in enumerate(rows):
        for column, tokens in enumerate(examples):
            cells = axes[row, column]
            _matrix(cells, np.array(patterns[column]), tokens, float(top))
            cells.set_title(f"{name}: {spelt(tokens)}", fontsize=9)
        axes[row, 0].set_ylabel("query", fontsize=8)
    for cells in axes[-1]:
        cells.set_xlabel("key", fontsize=8)
    return figure


def main_figure(study: PositionalSemantic) -> Figure:
    """One model of each kind."""
    stages = {
        "positional": study.stage("only_pos"),
        "semantic": study.stage("only_sem"),
        "free": study.stage("both"),
    }
    return draw([(n, found[0].patterns) for n, found in stages.items() if found], study.examples)


def _matrix(axes: Axes, pattern: np.ndarray, tokens: Sequence[int], top: float) -> None:
    shades = ListedColormap(colormaps["Blues"](np.linspace(0, LIGHT, LEVELS)))
    axes.imshow(pattern, cmap=shades, vmin=0, vmax=top, interpolation="nearest")
    for (query, key), weight in np.ndenumerate(pattern):
        dark = weight > 0.6 * top
        axes.text(
            key, query, f"{100 * weight:.0f}", ha="center", va="center", fontsize=7,
            color="white" if dark else "#222222", in_layout=False,
        )  # fmt: skip
    letters = [letter(token) for token in tokens]
    axes.set_xticks(range(len(letters)), letters, fontsize=8)
    axes.set_yticks(range(len(letters)), letters, fontsize=8)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("bottom")
    axes.tick_params(length=0)
    axes.set(frame_on=False)
    ids = np.array(tokens)
    axes.add_collection(
        LineCollection(
            borders(ids[:, None] == ids), colors=ORANGE, linewidths=1.6, zorder=3, clip_on=False
        )
    )


def borders(chosen: np.ndarray) -> list[list[tuple[float, float]]]:
    """Lines between chosen cells [row, column] and others, in the coordinates of an image."""
    lines = []
    framed = np.pad(chosen, 1)
    for row, column in zip(*np.nonzero(framed[:, 1:] != framed[:, :-1]), strict=True):
        x = float(column) - 0.5
        lines.append([(x, float(row) - 1.5), (x, float(row) - 0.5)])
    for row, column in zip(*np.nonzero(framed[1:] != framed[:-1]), strict=True):
        y = float(row) - 0.5
        lines.append([(float(column) - 1.5, y), (float(column) - 0.5, y)])
    return lines
