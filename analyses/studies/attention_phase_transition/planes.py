"""Maps over the (alpha, omega) plane."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mechprobe.analyses.studies.attention_phase_transition.contents import PhaseTransition
from mechprobe.analyses.studies.attention_phase_transition.drawing import edges, grid, legend_below
from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    TheoryPair,
    TransitionLine,
)
from mechprobe.probes.drawing import DIVERGING

MISSING = "#d9dde2"


def phase_planes(study: PhaseTransition) -> Figure:
    """(b): difference of the losses, and of the global minimum to the linear baseline."""
    alphas = np.array(sorted({pair.alpha for pair in study.plane}))
    omegas = np.array(sorted({pair.omega for pair in study.plane}))
    cells = {(pair.alpha, pair.omega): pair for pair in study.plane}
    figure, ((left, right),) = grid(1, 2, 5.2, 3.9)
    gaps = [[relative_gap(cells[a, o]) for a in alphas] for o in omegas]
    gains = [[relative_gain(cells[a, o]) for a in alphas] for o in omegas]
    _map(
        figure,
        left,
        alphas,
        omegas,
        np.array(gaps, float),
        "loss: (semantic − positional) / positional, %",
    )
    _map(
        figure,
        right,
        alphas,
        omegas,
        np.array(gains, float),
        "test error: (global minimum − linear) / linear, %",
    )
    steps = float(np.diff(edges(alphas))[0]), float(np.diff(edges(omegas))[0])
    _only_one(left, study.plane, steps)
    left.set_title("Which branch is the global minimum?", fontsize=9)
    right.set_title("Does it beat the linear baseline?", fontsize=9)
    for axis in (left, right):
        for name, style, colour in (("alpha_c", "-", "black"), ("alpha_l", "--", "black")):
            _line(axis, study.plane_lines, study, name, style, colour)
        axis.set(xlabel="α = n / d", ylabel="ω, weight of the positional part")
        axis.set_xlim(edges(alphas)[0], edges(alphas)[-1])
        axis.set_ylim(edges(omegas)[0], edges(omegas)[-1])
    legend_below(figure, left, 3)
    return figure


def relative_gap(pair: TheoryPair) -> float:
    """Loss of the semantic branch less the positional one's, in per cent of it; or NaN."""
    gap = pair.gap()
    if gap is None or pair.positional is None:
        return float("nan")
    return 100 * gap / pair.positional.loss.value


def relative_gain(pair: TheoryPair) -> float:
    """Test error of the global minimum less the baseline's, in per cent of it; or NaN."""
    lowest = pair.lowest()
    if lowest is None:
        return float("nan")
    return 100 * (lowest.test_error.value - pair.linear) / pair.linear


def _map(
    figure: Figure, axis: Axes, alphas: np.ndarray, omegas: np.ndarray, values: np.ndarray, bar: str
) -> None:
    axis.set_facecolor(MISSING)
    axis.grid(False)
    # A few cells are far off where an error is tiny; the colours serve the others.
    limit = float(np.nanpercentile(np.abs(values), 97)) if np.isfinite(values).any() else 1.0
    mesh = axis.pcolormesh(
        edges(alphas), edges(omegas), values, cmap=DIVERGING, vmin=-limit, vmax=limit
    )
    colours = figure.colorbar(mesh, ax=axis, extend="both")
    colours.set_label(bar, fontsize=8)
    colours.ax.tick_params(labelsize=7)


def _only_one(axis: Axes, pairs: Sequence[TheoryPair], steps: tuple[float, float]) -> None:
    """Hatch the cells where one branch alone was found."""
    for branch in BRANCHES:
        style: dict[str, Any] = {"facecolor": MISSING, "edgecolor": "#8a929b", "linewidth": 0.0}
        style["hatch"] = "...." if branch == "semantic" else "////"
        alone = [pair for pair in pairs if pair.gap() is None and pair.branch(branch) is not None]
        for pair in alone:
            corner = pair.alpha - steps[0] / 2, pair.omega - steps[1] / 2
            axis.add_patch(Rectangle(corner, *steps, **style))
        if alone:
            axis.add_patch(Rectangle((-9, -9), 0, 0, label=f"{branch} branch only", **style))


def _line(
    axis: Axes,
    lines: Sequence[TransitionLine],
    study: PhaseTransition,
    name: str,
    style: str,
    colour: str,
) -> None:
    sign = r"$\alpha_c$" if name == "alpha_c" else r"$\alpha_l$"
    known = [(getattr(line, name), line.omega) for line in lines]
    drawn = [(number.value, omega) for number, omega in known if number is not None]
    axis.plot(
        [alpha for alpha, _ in drawn], [omega for _, omega in drawn],
        style, color=colour, lw=1.4, label=f"{sign}, read off the grid",
    )  # fmt: skip
    searched = [line for line in (study.here, *study.lines) if line.searched]
    known = [(getattr(line, name), line.omega) for line in searched]
    points = [(number.value, omega) for number, omega in known if number is not None]
    if not points:
        return
    axis.plot(
        [alpha for alpha, _ in points], [omega for _, omega in points],
        "o" if name == "alpha_c" else "D", ms=5, mfc="white", mec=colour, ls="none",
        label=f"{sign}, searched",
    )  # fmt: skip
