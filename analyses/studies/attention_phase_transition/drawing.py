"""Common look of the page's figures: axes in a grid, and a colour and mark for each branch."""

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mechprobe.analyses.studies.attention_phase_transition.results import Branch, End, Number
from mechprobe.probes.drawing import GREY, PARTS, PURPLE

COLOURS: dict[Branch, str] = {"semantic": PARTS["semantic"], "positional": PARTS["positional"]}
END_COLOURS: dict[End, str] = {
    "semantic": PARTS["semantic"],
    "positional": PARTS["positional"],
    "mixed": PURPLE,
    "neither": "#b8bec5",
}
MARKS: dict[Branch, str] = {"semantic": "o", "positional": "s"}
LIGHT = ".92"


def grid(
    rows: int, columns: int, width: float = 4.4, height: float = 3.0
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with rows x columns axes; width and height of one, in inches."""
    figure = Figure(figsize=(width * columns, height * rows))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06, wspace=0.04, hspace=0.04)
    with sns.axes_style("whitegrid", {"grid.color": LIGHT}), sns.plotting_context("notebook", 0.75):
        axes = [
            [
                figure.add_subplot(rows, columns, row * columns + column + 1)
                for column in range(columns)
            ]
            for row in range(rows)
        ]
    return figure, axes


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend for all axes, with the entries of one of them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8
    )


def mark(axes: Axes, position: Number | None, name: str, height: float = 0.98) -> None:
    """A vertical line with a name beside its upper end."""
    if position is None:
        return
    axes.axvline(position.value, color=GREY, ls=":", lw=1.1, zorder=1)
    axes.text(
        position.value,
        height,
        f" {name}",
        transform=axes.get_xaxis_transform(),
        fontsize=8,
        color=GREY,
        va="top",
        ha="left",
    )


def edges(centres: np.ndarray) -> np.ndarray:
    """Borders of the cells of an even grid."""
    step = centres[1] - centres[0] if len(centres) > 1 else 1.0
    borders: np.ndarray = np.append(centres - step / 2, centres[-1] + step / 2)
    return borders
