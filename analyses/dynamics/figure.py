"""The picture of a run: accuracy, kappa, counters and geometry over steps, labels below."""

import math
from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mechprobe.analyses.dynamics.study import Run
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.rule import FOLLOWS, PRIVATE, SHARED, SOLVED
from mechprobe.probes.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE
from mechprobe.probes.snapshots import Snapshot

YELLOW = "#E69F00"
# As on every page: report.css has the same colours.
COLOURS: dict[Mechanism | None, str] = {
    "relation-based": BLUE,
    "inventory-based": YELLOW,
    "mixed": PURPLE,
    "unsolved": "#5f6770",
    None: "#e4e7ea",
}
ATTENTION = {
    "semantic": GREEN,
    "positional": "#56B4E9",
    "mixed": PURPLE,
    "uninformed": "#8a929b",
}
BAND = (10, 90)  # per cent of the tokens between its edges
KAPPA = (-0.6, 1.6)  # drawn; early ratios of next to nothing lie far outside


def draw(run: Run) -> Figure:
    """Two columns of two panels over one axis of steps, and strips of labels below each."""
    figure = Figure(figsize=(10.6, 7.0))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.04, wspace=0.03, hspace=0.02)
    with sns.axes_style("whitegrid", {"grid.color": ".92"}), sns.plotting_context("notebook", 0.75):
        grid = figure.add_gridspec(3, 2, height_ratios=(1, 0.8, 0.34))
        panels = [[figure.add_subplot(grid[row, column]) for column in (0, 1)] for row in (0, 1)]
        strips = [figure.add_subplot(grid[2, column]) for column in (0, 1)]
    steps = np.array([one.step for one in run.snapshots], dtype=float)
    edges = borders(steps)
    _accuracy(panels[0][0], run, steps)
    _kappa(panels[0][1], run.snapshots, steps)
    _counters(panels[1][0], run.snapshots, steps)
    _geometry(panels[1][1], run.snapshots, steps)
    for axes in (*panels[0], *panels[1]):
        _onsets(axes, run)
        axes.set(xscale="log", xlim=(edges[0], edges[-1]))
        axes.tick_params(axis="x", labelbottom=False)
    for axes in strips:
        _strips(axes, run.snapshots, edges)
    _legend(figure, run)
    return figure


def borders(steps: np.ndarray) -> np.ndarray:
    """Edges between snapshots, half-way in the logarithm."""
    logs = np.log(np.maximum(steps, 0.5))
    middle = (logs[1:] + logs[:-1]) / 2
    near = middle[[0, -1]] if len(middle) else logs[[0, 0]] + (0.5, -0.5)
    ends = 2 * logs[[0, -1]] - near
    edges: np.ndarray = np.exp(np.concatenate([ends[:1], middle, ends[1:]]))
    return edges


def _series(snapshots: Sequence[Snapshot], name: str) -> np.ndarray:
    values = [one.numbers.get(name) for one in snapshots]
    return np.array([math.nan if value is None else value for value in values])


def _accuracy(axes: Axes, run: Run, steps: np.ndarray) -> None:
    accuracy = [one.accuracy for one in run.snapshots]
    axes.plot(steps, accuracy, color="black", marker="o", ms=3, label="accuracy")
    for name, colour, marker in (("shared", BLUE, "s"), ("private", YELLOW, "^")):
        _told(axes, run.snapshots, steps, name, f"{name} tokens", colour, marker)
    axes.axhline(SOLVED, color=GREY, lw=0.9, ls="--", zorder=1)
    axes.text(0.01, SOLVED, f"solved: {SOLVED:g}", color=GREY, fontsize=7, va="bottom",
              transform=axes.get_yaxis_transform())  # fmt: skip
    if run.chance is not None:
        axes.axhline(run.chance, color=GREY, lw=0.9, ls=":", zorder=1)
        axes.text(0.01, run.chance, "chance", color=GREY, fontsize=7, va="bottom",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(ylim=(-0.03, 1.05), ylabel="share")
    _heading(axes, "Accuracy, and tokens by their kind")


def _kappa(axes: Axes, snapshots: Sequence[Snapshot], steps: np.ndarray) -> None:
    bands = np.array([_band(one.kappa) for one in snapshots])
    low, high = np.where(_follows(snapshots), bands.T, math.nan)
    axes.fill_between(steps, low, high, color=BLUE, alpha=0.2, lw=0, label="10–90 % of tokens")
    _told(axes, snapshots, steps, "kappa", "mean κ", BLUE, "o")
    own = _series(snapshots, "own_slope")
    axes.plot(steps, own, color=GREEN, marker="s", ms=3, label="own slope")
    axes.plot(
        steps, _series(snapshots, "lost"), color=ORANGE, marker="^", ms=3,
        label="lost",
    )  # fmt: skip
    for value, name in ((SHARED, "shared"), (PRIVATE, "private"), (-PRIVATE, "")):
        axes.axhline(value, color=GREY, lw=0.9, ls="--", zorder=1)
        axes.text(0.01, value, name, color=GREY, fontsize=7, va="bottom",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(ylim=KAPPA)
    _heading(axes, "Do tokens carry each other's counts?")


def _follows(snapshots: Sequence[Snapshot]) -> np.ndarray:
    """Where answers follow the count, so that it means something which tokens share it."""
    follows: np.ndarray = _series(snapshots, "own_slope") >= FOLLOWS
    return follows


def _told(
    axes: Axes,
    snapshots: Sequence[Snapshot],
    steps: np.ndarray,
    name: str,
    label: str,
    colour: str,
    marker: str,
) -> None:
    """A line, faint before answers follow the count: there kappa is a ratio of small numbers."""
    values = _series(snapshots, name)
    known = np.where(_follows(snapshots), values, math.nan)
    axes.plot(steps, values, color=colour, lw=0.9, ls=":", alpha=0.6)
    axes.plot(steps, known, color=colour, marker=marker, ms=3, label=label)


def _band(kappa: np.ndarray) -> tuple[float, float]:
    known = kappa[~np.isnan(kappa)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, BAND)
    return float(low), float(high)


def _counters(axes: Axes, snapshots: Sequence[Snapshot], steps: np.ndarray) -> None:
    groups = _series(snapshots, "count-transport.counters")
    named = [math.nan if one.counters is None else one.counters for one in snapshots]
    axes.plot(steps, groups, color=GREY, marker="o", ms=3, lw=1, label="groups of tokens, any")
    axes.plot(steps, named, color=PURPLE, marker="D", ms=5, lw=0, label="counters of the label")
    axes.set(ylim=(0, None), ylabel="number")
    _heading(axes, "Counters")


def _geometry(axes: Axes, snapshots: Sequence[Snapshot], steps: np.ndarray) -> None:
    lines = {
        "counting-subspace.shared_share": ("shared count variance", BLUE, "o"),
        "mutual-coherence.coherence": ("mutual coherence", ORANGE, "s"),
        "bos-anchoring.inverse_r2": ("BOS weight (R²)", GREEN, "^"),
        "token_share": ("token share", PURPLE, "v"),
    }
    for name, (label, colour, marker) in lines.items():
        values = _series(snapshots, name)
        if not np.isnan(values).all():
            axes.plot(steps, values, color=colour, marker=marker, ms=3, label=label)
    axes.set(ylim=(-0.25, 1.1))
    _heading(axes, "Representation and attention")


def _heading(axes: Axes, title: str) -> None:
    """A title, and below it the legend in one row, where no line can run into it."""
    axes.set_title(title, loc="left", pad=17)
    axes.legend(
        fontsize=7, loc="lower left", bbox_to_anchor=(-0.01, 0.98), ncols=4, frameon=False,
        borderpad=0.3, handlelength=1.6, columnspacing=1.0, handletextpad=0.4,
    )  # fmt: skip


def _onsets(axes: Axes, run: Run) -> None:
    found = run.formation
    for onset, style in ((found.leans, "-."), (found.solved, "-")):
        if onset is not None:
            axes.axvline(onset.step, color=GREY, lw=1.1, ls=style, zorder=1)


def _strips(axes: Axes, snapshots: Sequence[Snapshot], edges: np.ndarray) -> None:
    rows = (
        [COLOURS[one.mechanism] for one in snapshots],
        [COLOURS[one.leans] for one in snapshots],
        [ATTENTION.get(one.attention or "", "white") for one in snapshots],
    )
    for row, colours in enumerate(rows):
        axes.barh(
            [2 - row] * len(colours), np.diff(edges), left=edges[:-1], height=0.82, color=colours,
            edgecolor="white", linewidth=0.4,
        )  # fmt: skip
    axes.set(
        xscale="log", xlim=(edges[0], edges[-1]), xlabel="step", ylim=(-0.5, 2.5),
        yticks=(2, 1, 0), yticklabels=("label", "leans to", "attention"),
    )  # fmt: skip
    axes.grid(False)


def _legend(figure: Figure, run: Run) -> None:
    met = {one.mechanism for one in run.snapshots} | {one.leans for one in run.snapshots}
    handles: list[Patch | Line2D] = [
        Patch(color=colour, label=kind or "leans nowhere yet")
        for kind, colour in COLOURS.items()
        if kind in met
    ]
    met_attention = {one.attention for one in run.snapshots}
    handles += [
        Patch(color=colour, label=f"attention: {kind}")
        for kind, colour in ATTENTION.items()
        if kind in met_attention
    ]
    handles.append(Line2D([], [], color=GREY, ls="-.", label="leans for good"))
    handles.append(Line2D([], [], color=GREY, ls="-", label="solved for good"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
