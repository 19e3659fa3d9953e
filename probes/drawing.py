"""Common look of the probes' figures: size, palette, seaborn on a figure of its own.

No pyplot: figures belong to whoever asked for them and are freed with them.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6e6e6e"
# Parts of attention, the same in every figure.
PARTS = {
    "positional": BLUE,
    "semantic": GREEN,
    "cross": PURPLE,
    "residual": GREY,
    "rest": GREY,
}
SEQUENTIAL = "viridis"
DIVERGING = "PuOr_r"


def blank(columns: int = 1, width: float = 4.4, height: float = 3.2) -> "tuple[Figure, list[Axes]]":
    """A figure with one row of axes, or what else `ProbeResult.figure` was asked for."""
    import seaborn as sns
    from matplotlib import rc_context

    from mechprobe.probes.canvas import SMALL, canvas

    asked = canvas()
    sizes = sns.plotting_context("notebook", 0.75) if asked.width is None else SMALL
    with sns.axes_style("whitegrid", {"grid.color": ".92"}), rc_context(sizes):
        return asked.spread(columns, width, height)


def legend_below(axes: "Axes", columns: int, at: float = -0.2) -> None:
    """A legend below the axes.

    Args:
        axes: with what it tells.
        columns: side by side, where there is room.
        at: its top, in heights of the axes.
    """
    from mechprobe.probes.canvas import canvas

    columns = canvas().legend_columns(columns)
    place = (0.5, at)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=place, ncols=columns, frameon=False)


def heatmap(
    axes: "Axes",
    values: Float[np.ndarray, "row column"],
    *,
    x: str,
    y: str,
    bar: str,
    diverging: bool = False,
    **options: Any,
) -> None:
    """A labelled heat map; a diverging one is centred on zero."""
    import seaborn as sns

    limit = (float(np.nanmax(np.abs(values))) if values.size else 0.0) or 1.0
    scale = (
        {"cmap": DIVERGING, "vmin": -limit, "vmax": limit} if diverging else {"cmap": SEQUENTIAL}
    )
    sns.heatmap(
        values,
        ax=axes,
        cbar_kws={"label": bar},
        xticklabels=_every(values.shape[1]),
        yticklabels=_every(values.shape[0]),
        **(scale | options),
    )
    axes.set(xlabel=x, ylabel=y)
    axes.tick_params(axis="both", rotation=0, labelsize=7)
    colours = axes.collections[0].colorbar
    if colours is not None:
        colours.ax.tick_params(labelsize=7)
        colours.ax.yaxis.label.set_fontsize(8)


def _every(n: int) -> int:
    return max(1, int(np.ceil(n / 8)))
