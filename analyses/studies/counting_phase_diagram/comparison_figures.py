"""Figures of the comparison: maps of differences, and ours against published."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure

from mechprobe.analyses.studies.counting_phase_diagram.colours import (
    LEVELS,
    LIMIT,
    difference_colour,
    ink,
)
from mechprobe.analyses.studies.counting_phase_diagram.comparison import Difference
from mechprobe.analyses.studies.counting_phase_diagram.contents import in_order
from mechprobe.analyses.studies.counting_phase_diagram.overview import draw_map
from mechprobe.probes.drawing import BLUE, GREY, ORANGE

COLUMNS = 3
BAND = 5.0  # points beside the diagonal that are shaded
FAR = 10.0  # points from which a cell is marked in the scatter


def difference_maps(found: Sequence[Difference]) -> Figure:
    """A map for each architecture, differences in points written in."""
    figure, axes = _panels(found, 3.5, 3.4)
    ds = sorted({x.cell.d for x in found})
    ps = sorted({x.cell.p for x in found})
    for name, axis in axes.items():
        own = [x for x in found if x.cell.architecture == name]
        colours = {(x.cell.d, x.cell.p): difference_colour(x.points) for x in own}
        draw_map(axis, colours, ds, ps)
        for x in own:
            colour = ink(colours[x.cell.d, x.cell.p])
            text = f"{round(x.points):+d}".replace("-", "−").replace("+0", "0")
            place = ps.index(x.cell.p), ds.index(x.cell.d)
            axis.text(*place, text, ha="center", va="center", fontsize=7.5, color=colour)
        axis.set_title(name, fontsize=10)
        axis.set(xlabel="p (neurons)", ylabel="d (width)")
    steps = [LIMIT * (2 * i / (LEVELS - 1) - 1) for i in range(LEVELS)]
    shades = ListedColormap([to_rgb(difference_colour(step)) for step in steps])
    bar = figure.colorbar(
        ScalarMappable(Normalize(-LIMIT, LIMIT), shades),
        ax=list(axes.values()), extend="both", aspect=30, pad=0.02, shrink=0.8,
    )  # fmt: skip
    bar.set_label("ours − published, points", fontsize=9)
    return figure


def scatter(found: Sequence[Difference]) -> Figure:
    """Our accuracy against the published one; cells far from the diagonal stand out."""
    figure, axes = _panels(found, 3.3, 3.2)
    for name, axis in axes.items():
        own = [x for x in found if x.cell.architecture == name]
        axis.fill_between([0, 100], [-BAND, 100 - BAND], [BAND, 100 + BAND], color="#e9ecef", lw=0)
        axis.plot([0, 100], [0, 100], color=GREY, lw=0.8)
        for far, colour, shape in ((False, BLUE, "o"), (True, ORANGE, "D")):
            chosen = [x for x in own if (abs(x.points) >= FAR) == far]
            axis.plot(
                [100 * x.published for x in chosen], [100 * x.ours for x in chosen],
                shape, ms=4, mec="white", mew=0.4, color=colour, ls="none",
            )  # fmt: skip
        axis.set_title(name, fontsize=10)
        axis.set(xlabel="published, %", ylabel="ours, %", xlim=(15, 102), ylim=(15, 102))
        axis.set_aspect("equal")
        axis.tick_params(labelsize=8)
    return figure


def _panels(
    found: Sequence[Difference], width: float, height: float
) -> tuple[Figure, dict[str, Axes]]:
    """Axes for each architecture, three in a row."""
    names = in_order(x.cell.architecture for x in found)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(width * columns, height * rows))
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    axes = {name: figure.add_subplot(rows, columns, i + 1) for i, name in enumerate(names)}
    return figure, axes
