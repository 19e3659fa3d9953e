"""Figures of many runs: scaling with d, paths of gradient descent and where they end."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mechprobe.analyses.studies.attention_phase_transition.contents import PhaseTransition
from mechprobe.analyses.studies.attention_phase_transition.curves import stayers
from mechprobe.analyses.studies.attention_phase_transition.drawing import (
    COLOURS,
    END_COLOURS,
    MARKS,
    grid,
    legend_below,
)
from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    ENDS,
    Branch,
    Paths,
    TheoryPair,
)
from mechprobe.probes.drawing import GREY

CROWDED = 16  # paths drawn of one panel


def scaling(study: PhaseTransition) -> Figure:
    """(d): deviation of the means from theory and spread over runs, against 1/sqrt(d)."""
    figure, ((left, right),) = grid(1, 2, 4.9, 3.4)
    for branch in BRANCHES:
        rows = scaling_rows(study, branch)
        if not rows:
            continue
        d, deviation, error, spread = np.array(rows).T
        name = "θ, semantic start" if branch == "semantic" else "m, positional start"
        left.errorbar(
            d**-0.5, deviation, error, fmt=f"{MARKS[branch]}-", ms=5, lw=1, color=COLOURS[branch],
            label=name,
        )  # fmt: skip
        right.errorbar(
            d**-0.5, spread, spread / np.sqrt(2 * np.maximum(1, _runs(study, branch) - 1)),
            fmt=MARKS[branch], ms=5, lw=1, color=COLOURS[branch], label=name,
        )  # fmt: skip
        slope = float((spread * d**-0.5).sum() / (1 / d).sum())
        line = np.linspace(0, float((d**-0.5).max()), 2)
        right.plot(line, slope * line, color=COLOURS[branch], lw=1, ls="--")
    left.axhline(0, color=GREY, lw=1)
    name = "d, drawn at 1 / √d"
    left.set(ylabel="mean − theory", xlabel=name)
    right.set(ylabel="standard deviation over runs", xlabel=name, ylim=(0, None))
    left.set_title("Deviation from d → ∞", fontsize=9)
    right.set_title("Spread; dashed: proportional to 1/√d", fontsize=9)
    widths = sorted({block.d for block in study.scaling})
    for axis in (left, right):
        axis.set_xlim(0, None)
        axis.set_xticks([0, *(d**-0.5 for d in widths)], ["∞", *map(str, widths)])
    left.legend(fontsize=8)
    return figure


def scaling_rows(
    study: PhaseTransition, branch: Branch, name: str = "own"
) -> list[tuple[float, float, float, float]]:
    """(d, mean - theory, standard error, standard deviation) of a branch's observable."""
    theory = scaling_theory(study, branch, name)
    if theory is None:
        return []
    found = []
    for block in sorted(study.scaling, key=lambda block: block.d):
        values = [getattr(minimum, name) for minimum in stayers(block, branch)]
        if len(values) > 1:
            spread = float(np.std(values, ddof=1))
            mean = float(np.mean(values))
            found.append((float(block.d), mean - theory, spread / len(values) ** 0.5, spread))
    return found


def scaling_theory(study: PhaseTransition, branch: Branch, name: str = "own") -> float | None:
    """What the branch's observable ("own", "loss", "test_error") is in theory."""
    point = study.scaling_theory.branch(branch)
    if point is None:
        return None
    overlap = "theta" if branch == "semantic" else "m"
    return float(getattr(point, overlap if name == "own" else name).value)


def _runs(study: PhaseTransition, branch: Branch) -> np.ndarray:
    counts = [len(stayers(b, branch)) for b in sorted(study.scaling, key=lambda block: block.d)]
    return np.array([count for count in counts if count > 1])


def dynamics(study: PhaseTransition) -> Figure:
    """(f): paths in the (m, theta) plane, and where runs end against alpha."""
    scales = sorted({block.scale for block in study.paths})
    alphas = sorted({block.alpha for block in study.paths})
    shown = _spread_out(alphas)
    figure, axes = grid(len(scales), len(shown) + 1, 3.1, 2.7)
    theory = {round(pair.alpha, 9): pair for pair in study.curve}
    for row, scale in zip(axes, scales, strict=True):
        for axis, alpha in zip(row, shown, strict=False):
            block = next(b for b in study.paths if (b.scale, b.alpha) == (scale, alpha))
            _draw_paths(axis, block, theory[round(alpha, 9)])
        _shares(row[-1], [b for b in study.paths if b.scale == scale])
        row[0].set_ylabel(f"starts N(0, {scale:g}²)\n|θ|")
    legend_below(figure, axes[0][-1], len(ENDS))
    return figure


def _spread_out(alphas: Sequence[float]) -> list[float]:
    """Three of many: early, middle, last."""
    wanted = {len(alphas) // 3, (2 * len(alphas)) // 3, len(alphas) - 1}
    return [alphas[i] for i in sorted(wanted)]


def _draw_paths(axis: Axes, block: Paths, pair: TheoryPair) -> None:
    for path in block.paths[:CROWDED]:
        colour = END_COLOURS[path.end] if path.end != "neither" else GREY
        axis.plot(np.abs(path.m), np.abs(path.theta), color=colour, lw=0.8, alpha=0.8)
        axis.plot(abs(path.final_m), abs(path.final_theta), ".", ms=5, color=colour)
    for branch in BRANCHES:
        point = pair.branch(branch)
        if point is not None:
            axis.plot(
                point.m.value, point.theta.value, "*", ms=13, color=COLOURS[branch], mec="black",
                mew=0.7, zorder=5,
            )  # fmt: skip
    axis.plot(0, 0, "+", ms=9, mew=1.5, color="black", zorder=5)
    axis.set(xlim=(-0.012, 0.34), ylim=(-0.03, 0.85), xlabel="|m|", ylabel="|θ|")
    axis.set_title(f"α = {block.alpha:g}", fontsize=9)


def _shares(axis: Axes, blocks: Sequence[Paths]) -> None:
    blocks = sorted(blocks, key=lambda block: block.alpha)
    below = np.zeros(len(blocks))
    places = np.arange(len(blocks))
    for end in ("positional", "semantic", "neither"):
        share = np.array([shares(block).get(end, 0.0) for block in blocks])
        axis.bar(
            places, 100 * share, bottom=100 * below, color=END_COLOURS[end], label=end, width=0.85
        )
        below += share
    axis.set(xlabel="α", ylabel="runs ending there, %", ylim=(0, 100))
    axis.set_xticks(places, [f"{block.alpha:g}" for block in blocks], fontsize=7, rotation=60)
    axis.grid(False)
    axis.set_title("share of ends", fontsize=9)


def shares(block: Paths) -> dict[str, float]:
    """Share of the paths that ended at each point of the theory."""
    counts = Counter(path.end for path in block.paths)
    return {end: count / len(block.paths) for end, count in counts.items()}
