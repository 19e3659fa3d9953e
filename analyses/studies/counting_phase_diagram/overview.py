"""The static figure: architectures side by side; accuracy, mechanism and counters below."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from mechprobe.analyses.studies.counting_phase_diagram.cells import Cell, lowest
from mechprobe.analyses.studies.counting_phase_diagram.colours import (
    accuracy_colour,
    counters_colour,
    mechanism_colour,
)
from mechprobe.analyses.studies.counting_phase_diagram.contents import Bound, PhaseDiagram, in_order
from mechprobe.analyses.studies.counting_phase_diagram.kinds import KINDS, NO_LABEL
from mechprobe.analyses.studies.counting_phase_diagram.legends import accuracy_strip, counters_strip
from mechprobe.analyses.studies.counting_phase_diagram.maps import axes_of, corner, place

MISSING = "#e4e7eb"
HALO = [withStroke(linewidth=3, foreground="white")]
T_STYLE: dict[str, Any] = {"color": "black", "ls": ":", "lw": 1.1, "path_effects": HALO}
BOUND_STYLE: dict[str, Any] = {"color": "black", "lw": 1.3, "path_effects": HALO}
ASIDE = 0.16  # of a cell, between lines on the same edge

Paint = Callable[[Cell], str]


def overview(study: PhaseDiagram, cells: Sequence[Cell]) -> Figure:
    """Three rows of maps, a column for each architecture."""
    names = in_order(cell.architecture for cell in cells)
    figure = Figure(figsize=(1.4 + 2.2 * len(names), 7.7))
    figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.05, wspace=0.02, hspace=0.02)
    # The last column is for the scales, so that maps of all rows are of one size.
    grid = figure.add_gridspec(3, len(names) + 1, width_ratios=[1.0] * len(names) + [0.07])
    axes = [[figure.add_subplot(grid[row, c]) for c in range(len(names))] for row in range(3)]
    scales = [figure.add_subplot(grid[row, -1]) for row in (0, 2)]
    least = lowest(study.rows)
    paints: tuple[Paint, ...] = (
        lambda cell: accuracy_colour(cell.accuracy, least),
        lambda cell: mechanism_colour(cell.kind, cell.confidence),
        lambda cell: counters_colour(cell.counters, study.T),
    )
    ds, ps = axes_of(cells)
    for column, name in enumerate(names):
        own = [cell for cell in cells if cell.architecture == name]
        bounds = [bound for bound in study.bounds if bound.architecture == name]
        for row, paint in enumerate(paints):
            axis = axes[row][column]
            draw_map(axis, {(cell.d, cell.p): paint(cell) for cell in own}, ds, ps)
            draw_lines(axis, ds, ps, study.T, bounds)
            axis.tick_params(labelbottom=row == 2, labelleft=column == 0)
        axes[0][column].set_title(name, fontsize=11)
        axes[-1][column].set_xlabel("p (neurons)", fontsize=9)
    for row, name in enumerate(("accuracy", "mechanism", "counters")):
        axes[row][0].set_ylabel(f"{name}\nd (width)", fontsize=9)
    _scales(figure, scales, study)
    _legend(figure, cells)
    return figure


def draw_map(
    axis: Axes, colours: dict[tuple[int, int], str], ds: Sequence[int], ps: Sequence[int]
) -> None:
    """Squares over ordered d (up) and p (to the right)."""
    picture = np.empty((len(ds), len(ps), 3))
    picture[:] = to_rgb(MISSING)
    for (d, p), colour in colours.items():
        picture[ds.index(d), ps.index(p)] = to_rgb(colour)
    axis.imshow(picture, origin="lower", interpolation="nearest", aspect="equal")
    axis.set_xticks(range(len(ps)), [_sparse(p, ps) for p in ps], fontsize=7)
    axis.set_yticks(range(len(ds)), [_sparse(d, ds) for d in ds], fontsize=7)
    axis.tick_params(length=0, pad=2)
    for spine in axis.spines.values():
        spine.set_color("#9aa1a9")


def draw_lines(
    axis: Axes, ds: Sequence[int], ps: Sequence[int], T: int, bounds: Sequence[Bound]
) -> None:
    """T dotted, bounds as full lines around their region."""
    at_d, at_p = place(ds, T), place(ps, T)
    if at_d is not None:
        axis.plot([-0.5, len(ps) - 0.5], [at_d - 0.5] * 2, **T_STYLE)
    if at_p is not None:
        axis.plot([at_p - 0.5] * 2, [-0.5, len(ds) - 0.5], **T_STYLE)
    for bound in bounds:
        found = corner(ds, ps, bound)
        if found is not None:
            x = found[1] - 0.5 + (ASIDE if found[1] == at_p else 0)
            y = found[0] - 0.5 - (ASIDE if found[0] == at_d else 0)
            axis.plot([x, x, len(ps) - 0.5], [len(ds) - 0.5, y, y], **BOUND_STYLE)
    axis.set(xlim=(-0.5, len(ps) - 0.5), ylim=(-0.5, len(ds) - 0.5))


def _sparse(value: int, values: Sequence[int]) -> str:
    """Powers of two only, where there are many values."""
    crowded = len(values) > 8
    return "" if crowded and not math.log2(value).is_integer() else str(value)


def _scales(figure: Figure, places: Sequence[Axes], study: PhaseDiagram) -> None:
    accuracy = ListedColormap(accuracy_strip(lowest(study.rows)).colours)
    counters = ListedColormap(counters_strip(study.T).colours)
    bar = figure.colorbar(
        ScalarMappable(Normalize(100 * lowest(study.rows), 100), accuracy),
        cax=places[0], extend="min",
    )  # fmt: skip
    bar.set_label("mean accuracy, %", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    low = figure.colorbar(
        ScalarMappable(LogNorm(1, max(study.T, 2)), counters),
        cax=places[1],
    )  # fmt: skip
    ticks = [2**k for k in range(study.T.bit_length())]
    low.set_ticks(ticks, labels=[str(tick) for tick in ticks])
    low.minorticks_off()
    low.set_label("counters (median)", fontsize=9)
    low.ax.tick_params(labelsize=8)


def _legend(figure: Figure, cells: Sequence[Cell]) -> None:
    present = {cell.kind for cell in cells}
    handles = [
        Patch(facecolor=kind.colour, edgecolor="#9aa1a9", label=kind.name)
        for kind in KINDS.values()
        if kind.name in present or kind.name != NO_LABEL
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9,
        title="mechanism (paler: less confident)", title_fontsize=9,
    )  # fmt: skip
