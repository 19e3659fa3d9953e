"""The picture of a run: what is followed of it over steps, and its labels below."""

import math
from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mechprobe.analyses.dynamics.runs import Dynamics, Run
from mechprobe.probes.axes import Axis
from mechprobe.probes.drawing import GREY
from mechprobe.probes.followed import Curve, Panel
from mechprobe.probes.snapshots import Snapshot

NOWHERE = "#e4e7ea"  # evidence that leans to nothing yet
UNKNOWN = "#ffffff"  # a kind that the reading does not know
BAND = (10, 90)  # per cent of the items between its edges
COLUMNS = 2
NONE = "no number (why: see text)"


def draw(run: Run, dynamics: Dynamics) -> Figure:
    """Panels, two a row, over one axis of steps, and strips of labels below each column."""
    panels, axes = dynamics.followed.panels, dynamics.reading.axes
    rows = math.ceil(len(panels) / COLUMNS)
    heights = [1.0, *[0.8] * (rows - 1), 0.1 + 0.08 * (len(axes) + 1)]
    figure = Figure(figsize=(10.6, 3.27 * sum(heights)))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.04, wspace=0.03, hspace=0.02)
    with sns.axes_style("whitegrid", {"grid.color": ".92"}), sns.plotting_context("notebook", 0.75):
        grid = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=heights)
        drawn = [figure.add_subplot(grid[divmod(i, COLUMNS)]) for i in range(len(panels))]
        strips = [figure.add_subplot(grid[rows, column]) for column in range(COLUMNS)]
    steps = np.array([one.step for one in run.snapshots], dtype=float)
    edges = borders(steps)
    for panel, place in zip(panels, drawn, strict=True):
        _panel(place, panel, run.snapshots, steps)
        _onsets(place, run)
        _jumps(place, panel, run)
        place.set(xscale="log", xlim=(edges[0], edges[-1]))
        place.tick_params(axis="x", labelbottom=False)
    for place in strips:
        _strips(place, run.snapshots, edges, axes)
    _legend(figure, run, axes)
    return figure


def borders(steps: np.ndarray) -> np.ndarray:
    """Edges between snapshots, half-way in the logarithm."""
    logs = np.log(np.maximum(steps, 0.5))
    middle = (logs[1:] + logs[:-1]) / 2
    near = middle[[0, -1]] if len(middle) else logs[[0, 0]] + (0.5, -0.5)
    ends = 2 * logs[[0, -1]] - near
    edges: np.ndarray = np.exp(np.concatenate([ends[:1], middle, ends[1:]]))
    return edges


def _panel(axes: Axes, panel: Panel, snapshots: Sequence[Snapshot], steps: np.ndarray) -> None:
    for curve in panel.curves:
        values = _series(snapshots, curve.number)
        missing = any(curve.number in one.why for one in snapshots)
        if not np.isnan(values).all() or curve.faint or missing:
            _curve(axes, curve, values, snapshots, steps)
    value: float | str | None
    for level in panel.levels:
        value, style = level.value, "--"
        if isinstance(value, str):
            value, style = snapshots[-1].numbers.get(value), ":"
        if value is not None:
            axes.axhline(value, color=GREY, lw=0.9, ls=style, zorder=1)
            axes.text(0.01, value, level.label, color=GREY, fontsize=7, va="bottom",
                      transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(ylim=panel.limits, ylabel=panel.unit)
    # Below the title the legend in one row, where no line can run into it.
    axes.set_title(panel.title, loc="left", pad=17)
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(
        handles=handles, fontsize=7, loc="lower left", bbox_to_anchor=(-0.01, 0.98), ncols=4,
        frameon=False, borderpad=0.3, handlelength=1.6, columnspacing=1.0, handletextpad=0.4,
    )  # fmt: skip


def _curve(
    axes: Axes,
    curve: Curve,
    values: np.ndarray,
    snapshots: Sequence[Snapshot],
    steps: np.ndarray,
) -> None:
    """A line, dotted where it is to be faint and the evidence says nothing yet."""
    told = np.array([one.told or not curve.faint for one in snapshots])
    if curve.band is not None:
        name, called = curve.band
        bands = np.array([_band(one.items[name]) for one in snapshots])
        low, high = np.where(told, bands.T, math.nan)
        axes.fill_between(
            steps, low, high, color=curve.colour, alpha=0.2, lw=0,
            label=f"{BAND[0]}–{BAND[1]} % of {called}",
        )  # fmt: skip
    if curve.faint:
        axes.plot(steps, values, color=curve.colour, lw=0.9, ls=":", alpha=0.6)
    (line,) = axes.plot(
        steps, np.where(told, values, math.nan), color=curve.colour, marker=curve.marker, ms=3,
        label=curve.label,
    )  # fmt: skip
    missing = [one.step for one in snapshots if curve.number in one.why]
    if missing:
        axes.plot(missing, [0.03] * len(missing), "x", color=GREY, ms=4, mew=0.9,
                  transform=axes.get_xaxis_transform(), label=NONE)  # fmt: skip
    if not curve.joined:
        line.set(linestyle="none", markersize=5)


def _series(snapshots: Sequence[Snapshot], name: str) -> np.ndarray:
    values = [one.numbers.get(name) for one in snapshots]
    return np.array([math.nan if value is None else value for value in values])


def _band(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, BAND)
    return float(low), float(high)


def _onsets(axes: Axes, run: Run) -> None:
    found = run.formation
    for onset, style in ((found.leans, "-."), (found.solved, "-")):
        if onset is not None:
            axes.axvline(onset.step, color=GREY, lw=1.1, ls=style, zorder=1)


def _jumps(axes: Axes, panel: Panel, run: Run) -> None:
    """Change points of the panel's curves, in their colours, with the bounds of each shaded."""
    colours = {curve.number: curve.colour for curve in panel.curves}
    for found in run.changes.values():
        for point in (found.points or []) if found.number in colours else []:
            colour = colours[found.number]
            middle = math.sqrt(max(point.after, 0.5) * point.step)
            axes.axvspan(point.low, point.high, color=colour, alpha=0.12, lw=0, zorder=0)
            axes.axvline(middle, color=colour, lw=1.2, ls=(0, (1, 1)), zorder=1)


def _strips(
    place: Axes, snapshots: Sequence[Snapshot], edges: np.ndarray, axes: Sequence[Axis]
) -> None:
    first, *further = axes
    rows = {
        "label": [_colour(first, one.kind) for one in snapshots],
        "leans to": [_colour(first, one.leans) for one in snapshots],
    } | {a.name: [_colour(a, one.label.kind(a.name)) for one in snapshots] for a in further}
    top = len(rows) - 1
    for row, colours in enumerate(rows.values()):
        place.barh(
            [top - row] * len(colours), np.diff(edges), left=edges[:-1], height=0.82,
            color=colours, edgecolor="white", linewidth=0.4,
        )  # fmt: skip
    place.set(
        xscale="log", xlim=(edges[0], edges[-1]), xlabel="step", ylim=(-0.5, top + 0.5),
        yticks=range(top, -1, -1), yticklabels=list(rows),
    )  # fmt: skip
    place.grid(False)


def _colour(axis: Axis, kind: str | None) -> str:
    if kind is None:
        return NOWHERE
    return axis.kinds[kind].colour if kind in axis.kinds else UNKNOWN


def _legend(figure: Figure, run: Run, axes: Sequence[Axis]) -> None:
    first, *further = axes
    met = {one.kind for one in run.snapshots} | {one.leans for one in run.snapshots}
    handles: list[Patch | Line2D] = [
        Patch(color=known.colour, label=kind) for kind, known in first.kinds.items() if kind in met
    ]
    if None in met:
        handles.append(Patch(color=NOWHERE, label="leans nowhere yet"))
    for axis in further:
        on_axis = {one.label.kind(axis.name) for one in run.snapshots}
        handles += [
            Patch(color=known.colour, label=f"{axis.name}: {kind}")
            for kind, known in axis.kinds.items()
            if kind in on_axis
        ]
    handles.append(Line2D([], [], color=GREY, ls="-.", label="leans for good"))
    handles.append(Line2D([], [], color=GREY, ls="-", label="solved for good"))
    if any(found.points for found in run.changes.values()):
        style = (0, (1, 1))
        handles.append(Line2D([], [], color="black", ls=style, label="change point, 95 % shaded"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
