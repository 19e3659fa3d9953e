"""Figures along alpha: the order parameters and errors, z-scores, the other mixing matrix."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mechprobe.analyses.studies.attention_phase_transition.contents import (
    Comparison,
    PhaseTransition,
)
from mechprobe.analyses.studies.attention_phase_transition.drawing import (
    COLOURS,
    MARKS,
    grid,
    legend_below,
    mark,
)
from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    Branch,
    Minima,
    Minimum,
    Number,
    TheoryPair,
    TheoryPoint,
)
from mechprobe.probes.drawing import GREY, ORANGE, PURPLE

Reading = Callable[[TheoryPoint], Number]
M: Reading = attrgetter("m")
THETA: Reading = attrgetter("theta")
LOSS: Reading = attrgetter("loss")
TEST: Reading = attrgetter("test_error")
TICKS = (-100, -30, -10, -4, -2, 0, 2, 4, 10, 30, 100)  # of a z-score
WIDEST = 2.05  # alpha
PER_MILLE = 1e3  # losses are drawn in thousandths


def order_parameters(study: PhaseTransition) -> Figure:
    """(a): |m|, |theta|, training loss and test error against alpha."""
    figure, axes = grid(2, 2, 4.9, 3.1)
    panels: list[tuple[Axes, Reading, str, float, str]] = [
        (axes[0][0], M, "m", 1.0, "|m| = |⟨1, Q⟩| / d"),
        (axes[0][1], THETA, "theta", 1.0, "|θ| = |⟨Q*, Q⟩| / d"),
        (axes[1][0], LOSS, "loss", PER_MILLE, "training loss / d  (10⁻³)"),
        (axes[1][1], TEST, "test_error", PER_MILLE, "test error |y − f|² / 2d  (10⁻³)"),
    ]
    for axis, reading, name, scale, title in panels:
        for branch in BRANCHES:
            theory_line(axis, study.curve, branch, reading, scale, f"theory, {branch}")
            _dots(axis, study.minima, branch, name, scale)
            _published(axis, study, branch, name, scale)
        axis.set(xlabel="α = n / d", ylabel=title, xlim=(0, WIDEST))
        mark(axis, study.here.alpha_c, r"$\alpha_c$")
        mark(axis, study.here.alpha_l, r"$\alpha_l$")
    axes[0][0].set_ylim(-0.005, 0.32)
    axes[0][1].set_ylim(-0.015, 0.78)
    axes[1][1].axhline(
        PER_MILLE * study.curve[0].linear, color=ORANGE, ls="--", lw=1.3, label="linear baseline"
    )
    legend_below(figure, axes[1][1], 4)
    return figure


def theory_line(
    axis: Axes,
    pairs: Sequence[TheoryPair],
    branch: Branch,
    reading: Reading,
    scale: float,
    label: str = "",
) -> None:
    """A branch's line with its error band; dashed where a small perturbation grows."""
    colour = COLOURS[branch]
    points = [
        (pair.alpha, point)
        for pair in pairs
        # Points beyond the frame, solved for other parts, would stretch its other axis.
        if pair.alpha <= WIDEST and (point := pair.branch(branch)) is not None
    ]
    alphas = np.array([alpha for alpha, _ in points])
    values = scale * np.array([reading(point).value for _, point in points])
    errors = scale * np.array([reading(point).error or 0.0 for _, point in points])
    stable = np.array([point.stable is True for _, point in points], dtype=bool)
    axis.fill_between(alphas, values - errors, values + errors, color=colour, alpha=0.3, lw=0)
    # A segment is firm where both of its ends are.
    firm = np.append(stable[:-1] & stable[1:], True) | np.append(True, stable[:-1] & stable[1:])
    solid = np.where(firm & stable, values, np.nan)
    axis.plot(alphas, values, color=colour, lw=1.2, ls=(0, (3, 2)))
    axis.plot(alphas, solid, color=colour, lw=1.8, label=label or None)


def _dots(axis: Axes, blocks: Sequence[Minima], branch: Branch, name: str, scale: float) -> None:
    stayed = means(blocks, branch, name)
    if stayed:
        alphas, values, errors = np.array(stayed).T
        axis.errorbar(
            alphas, scale * values, scale * errors, fmt=MARKS[branch], ms=4, lw=1.2,
            color=COLOURS[branch], mec="white", mew=0.5, label=f"L-BFGS from {branch} start",
        )  # fmt: skip


def means(blocks: Sequence[Minima], branch: Branch, name: str) -> list[tuple[float, float, float]]:
    """(alpha, mean, standard error) over minima that stayed on the start's branch; the error of a
    single one is not known, NaN."""
    found = []
    for block in blocks:
        values = [abs(float(getattr(minimum, name))) for minimum in stayers(block, branch)]
        if values:
            # Of a single value no error is known, and no bar is drawn.
            error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            found.append((block.alpha, float(np.mean(values)), float(error)))
    return found


def stayers(block: Minima, branch: Branch) -> list[Minimum]:
    """Minima that ended on the branch they started from."""
    return [minimum for minimum in block.minima if minimum.start == branch and minimum.stayed]


def _published(axis: Axes, study: PhaseTransition, branch: Branch, name: str, scale: float) -> None:
    rows = [row for row in study.published if row.start == branch]
    spreads = [getattr(row, f"{name}_spread", np.nan) for row in rows]
    axis.errorbar(
        [row.alpha for row in rows], [scale * getattr(row, name) for row in rows],
        scale * np.array(spreads) / np.sqrt(study.published_runs),
        fmt="D", ms=3.6, mfc="none", mew=0.8, lw=0.8, color=COLOURS[branch], alpha=0.75,
        label=f"published, {branch} start",
    )  # fmt: skip


def z_scores(study: PhaseTransition) -> Figure:
    """(c): distance of the experiments from theory, in standard errors."""
    figure, axes = grid(2, 2, 4.9, 2.8)
    marks = {"overlap": "o", "loss": "^", "test error": "x"}
    colours = {"overlap": PURPLE, "loss": GREY, "test error": ORANGE}
    for row, source in zip(axes, ("ours", "published"), strict=True):
        for axis, branch in zip(row, BRANCHES, strict=True):
            axis.axhspan(-2, 2, color="#e3e7ec", zorder=0)
            for name in marks:
                chosen = select(study.comparisons, source, branch, name)
                axis.plot(
                    [c.alpha for c in chosen if c.z is not None],
                    [c.z for c in chosen if c.z is not None],
                    marks[name], ms=4.5, color=colours[name], ls="-", lw=0.6, label=name,
                )  # fmt: skip
            axis.axvline(study.passes_from, color=GREY, ls=":", lw=1)
            axis.set_yscale("symlog", linthresh=4, linscale=1.6)
            axis.set_yticks(TICKS, [f"{tick}".replace("-", "−") for tick in TICKS])
            overlap = "θ" if branch == "semantic" else "m"
            runs = "our minima" if source == "ours" else "published runs"
            axis.set_title(f"{runs}, {branch} start (overlap: {overlap})", fontsize=9)
            axis.set(xlabel="α", ylabel="z = (mean − theory) / s.e.", xlim=(0, WIDEST))
            axis.set_ylim(-150, 150)
    legend_below(figure, axes[0][0], 3)
    return figure


def select(
    comparisons: Sequence[Comparison], source: str, branch: str, observable: str
) -> list[Comparison]:
    """Those of one source, branch and observable."""
    return [
        c for c in comparisons if (c.source, c.branch, c.observable) == (source, branch, observable)
    ]


def both_mixings(study: PhaseTransition) -> Figure:
    """(e): m, theta and loss for both matrices A, a row for each matrix and omega."""
    first, second = list(study.mixings)
    omegas = sorted({pair.omega for pair in study.others})
    rows = [(first, study.omega, study.curve, study.minima)]
    for omega in omegas:
        pairs = [pair for pair in study.others if pair.omega == omega]
        blocks = [block for block in study.other_minima if block.omega == omega]
        rows.append((second, omega, pairs, blocks))
    figure, axes = grid(len(rows), 3, 3.6, 2.5)
    for row, (name, omega, pairs, blocks) in zip(axes, rows, strict=True):
        for axis, reading, key, scale, title in zip(
            row, (M, THETA, LOSS), ("m", "theta", "loss"), (1, 1, PER_MILLE),
            ("|m|", "|θ|", "training loss / d  (10⁻³)"), strict=True,
        ):  # fmt: skip
            for branch in BRANCHES:
                theory_line(axis, pairs, branch, reading, scale, f"theory, {branch}")
                _dots(axis, blocks, branch, key, scale)
                _left(axis, blocks, branch, key, scale)
            axis.set(xlabel="α", ylabel=title, xlim=(0, WIDEST))
        row[0].set_title(f"A: {name} example, ω = {omega:g}", fontsize=9, loc="left")
        row[0].set_ylim(-0.01, 0.32)
        row[1].set_ylim(-0.02, 0.72)
    handles: dict[str, Any] = {}
    for row in axes:
        drawn, labels = row[0].get_legend_handles_labels()
        handles |= dict(zip(labels, drawn, strict=True))
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3,
        frameon=False, fontsize=8,
    )  # fmt: skip
    return figure


def _left(axis: Axes, blocks: Sequence[Minima], branch: Branch, name: str, scale: float) -> None:
    """Single minima that are not where they started."""
    left = [
        (block.alpha, scale * abs(float(getattr(minimum, name))))
        for block in blocks
        for minimum in block.minima
        if minimum.start == branch and not minimum.stayed
    ]
    if left:
        alphas, values = np.array(left).T
        axis.plot(
            alphas, values, "x", ms=4, mew=0.9, color=COLOURS[branch], alpha=0.6,
            label=f"single runs that left, {branch} start",
        )  # fmt: skip
