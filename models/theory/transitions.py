"""Where branches appear, where their losses cross, where attention beats the linear baseline.

alpha_c(omega): the training losses of the semantic and the positional branch cross.
alpha_l(omega): the mse of the branch of least training loss falls below that of the best dense
linear (positional) mixing matrix (arXiv:2402.03902, section 4).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from mechprobe.models.theory.branch import (
    Branch,
    BranchNotFoundError,
    BranchPoint,
    NotConvergedError,
    Quantity,
)
from mechprobe.models.theory.branches import solve
from mechprobe.models.theory.evolution import linear_mse
from mechprobe.models.theory.parameters import TheoryParameters

INFORMED: tuple[Branch, ...] = ("semantic", "positional")
SCAN = 10  # log2 points of the scan for brackets; they are narrowed on many more
ONSET = 13  # of the bisection for a branch's onset
UNSTABLE = 16  # of the multipliers, which hang on few points close to a jump
SPAN = (0.05, 20.0)  # values of alpha that are searched
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Transitions:
    """The transitions at one omega; None where there is none within the range searched.

    Args:
        parameters: alpha in it means nothing.
        alpha_c, alpha_l: see the module.
        appears, vanishes: least and greatest alpha of each branch, None where it goes on to the
            end of the range.
        linear_mse: of the linear baseline.
        span: range of alpha that was searched.
        notes: what was not found or not converged, in words.
    """

    parameters: TheoryParameters
    alpha_c: Quantity | None
    alpha_l: Quantity | None
    appears: Mapping[Branch, Quantity | None]
    vanishes: Mapping[Branch, Quantity | None]
    linear_mse: float
    span: tuple[float, float]
    notes: list[str] = field(default_factory=list)


Scan = dict[Branch, list[BranchPoint | None]]


def transitions(
    parameters: TheoryParameters,
    *,
    log2_points: int = 16,
    seed: int = 0,
    span: tuple[float, float] = SPAN,
    progress: Progress = lambda _: None,
) -> Transitions:
    """Find both transitions and the range of each branch.

    Args:
        parameters: of the model; its alpha is not used.
        log2_points: 2^log2_points quasi-random points for the transitions.
        seed: of their scrambling.
        span: range of alpha to search.
        progress: is told each stage.
    """
    alphas = np.geomspace(*span, 25)
    scan: Scan = {}
    for branch in INFORMED:
        progress(f"scanning the {branch} branch")
        scan[branch] = [present(parameters.at(alpha=float(a)), branch, SCAN, seed) for a in alphas]
    notes: list[str] = []
    linear = linear_mse(parameters, log2_points, seed)
    search = partial(_root, parameters, log2_points=log2_points, seed=seed)
    progress("crossing of the losses")
    bracket = _bracket(alphas, [_difference(*pair) for pair in zip(*scan.values(), strict=True)])
    alpha_c = None
    if bracket is None:
        notes.append("the branches' training losses do not cross")
    else:
        alpha_c = search(bracket, INFORMED, lambda points: _loss_gap(points[0], points[1]))
        if alpha_c is None:
            notes.append(_unsolved("the losses cross", bracket))
    progress("crossing of the linear baseline")
    bracket, alpha_l = _beats_linear(search, alphas, scan, linear, alpha_c)
    if bracket is None:
        notes.append("attention does not come to beat the linear baseline")
    elif alpha_l is None:
        notes.append(_unsolved("attention beats the linear baseline", bracket))
    appears: dict[Branch, Quantity | None] = {}
    vanishes: dict[Branch, Quantity | None] = {}
    for branch in INFORMED:
        progress(f"ends of the {branch} branch")
        exists = [point is not None for point in scan[branch]]
        if not any(exists):
            notes.append(f"no {branch} branch was found")
        notes += _gaps(branch, alphas, exists)
        appears[branch] = _end(parameters, branch, alphas, exists, seed)
        # Read from the far end, the last alpha of a branch is its first.
        vanishes[branch] = _end(parameters, branch, alphas[::-1], exists[::-1], seed)
    return Transitions(
        parameters, alpha_c, alpha_l, appears, vanishes, linear, (span[0], span[1]), notes
    )


def present(
    parameters: TheoryParameters, branch: Branch, log2_points: int, seed: int
) -> BranchPoint | None:
    """The branch's point, or None where it does not exist or was not reached."""
    try:
        return solve(parameters, branch, log2_points=log2_points, seed=seed)
    except (BranchNotFoundError, NotConvergedError):
        return None


Gap = Callable[[list[BranchPoint]], Quantity]


def _root(
    parameters: TheoryParameters,
    bracket: tuple[float, float],
    branches: tuple[Branch, ...],
    gap: Gap,
    *,
    log2_points: int,
    seed: int,
) -> Quantity | None:
    """Where `gap` of the branches' points is zero, with the quadrature's error."""

    def points(alpha: float) -> list[BranchPoint]:
        p = parameters.at(alpha=alpha)
        return [solve(p, branch, log2_points=log2_points, seed=seed) for branch in branches]

    def height(alpha: float) -> float:
        return gap(points(alpha)).value

    low, high = bracket
    try:
        # Few points may have put the bracket a little off.
        for _ in range(6):
            if height(low) * height(high) <= 0:
                break
            low, high = 0.95 * low, 1.05 * high
        alpha = float(brentq(height, low, high, xtol=2e-4 * low, rtol=1e-5))
        here = gap(points(alpha))
        width = 0.01 * alpha
        slope = (height(alpha + width) - height(alpha - width)) / (2 * width)
    except (BranchNotFoundError, NotConvergedError, ValueError):
        return None
    return Quantity(alpha, here.error / abs(slope) + 2e-4 * low)


def _beats_linear(
    search: Callable[..., Quantity | None],
    alphas: np.ndarray,
    scan: Scan,
    linear: float,
    alpha_c: Quantity | None,
) -> tuple[tuple[float, float] | None, Quantity | None]:
    """The bracket and the transition within it."""
    best = [_least(list(points)) for points in zip(*scan.values(), strict=True)]
    gaps = [math.nan if point is None else point.mse.value - linear for point in best]
    for i in range(len(alphas) - 1):
        if not (gaps[i] > 0 >= gaps[i + 1]):
            continue
        after = best[i + 1]
        if after is None:
            continue
        bracket = (float(alphas[i]), float(alphas[i + 1]))

        def gap(points: list[BranchPoint]) -> Quantity:
            return Quantity(points[0].mse.value - linear, points[0].mse.error)

        found = search(bracket, (after.branch,), gap)
        if alpha_c is not None and bracket[0] <= alpha_c.value <= bracket[1]:
            # The global minimum changes branch in between: it may win by that alone.
            below = found is None or found.value < alpha_c.value
            found = alpha_c if below else found
        return bracket, found
    return None, None


def _gaps(branch: Branch, alphas: np.ndarray, exists: list[bool]) -> list[str]:
    """Where a branch is missing in between, in words."""
    there = [i for i, here in enumerate(exists) if here]
    return [
        f"the {branch} branch was not found between alpha={alphas[one]:.3g} and"
        f" {alphas[other]:.3g}; replica symmetry may fail there, for trained models can keep it"
        for one, other in pairwise(there)
        if other > one + 1
    ]


def _unsolved(what: str, bracket: tuple[float, float]) -> str:
    return (
        f"{what} between alpha={bracket[0]:.3g} and {bracket[1]:.3g}, but the equations were not"
        " solved everywhere there; try more points or another seed"
    )


def _least(points: list[BranchPoint | None]) -> BranchPoint | None:
    there = [point for point in points if point is not None]
    return min(there, key=lambda point: point.train_loss.value, default=None)


def _difference(one: BranchPoint | None, other: BranchPoint | None) -> float:
    if one is None or other is None:
        return math.nan
    return _loss_gap(one, other).value


def _loss_gap(one: BranchPoint, other: BranchPoint) -> Quantity:
    a, b = one.train_loss, other.train_loss
    return Quantity(a.value - b.value, math.hypot(a.error, b.error))


def _bracket(alphas: np.ndarray, heights: list[float]) -> tuple[float, float] | None:
    for i in range(len(alphas) - 1):
        if heights[i] * heights[i + 1] <= 0:
            return float(alphas[i]), float(alphas[i + 1])
    return None


def _end(
    parameters: TheoryParameters,
    branch: Branch,
    alphas: np.ndarray,
    exists: list[bool],
    seed: int,
) -> Quantity | None:
    """Where a branch begins on the way along `alphas`: where the uninformed branch becomes
    unstable to it, or, should it begin elsewhere at a finite overlap, by bisection."""
    if not any(exists) or exists[0]:
        return None
    first = exists.index(True)
    # Overlaps near zero converge badly, so the onset may lie before the first point found.
    early, inside = float(alphas[max(0, first - 4)]), float(alphas[first])
    onset = _instability(parameters, branch, early, inside, seed)
    if onset is not None:
        return onset
    outside = float(alphas[first - 1])
    while abs(inside - outside) > 0.01 * min(inside, outside):
        middle = math.sqrt(inside * outside)
        if present(parameters.at(alpha=middle), branch, ONSET, seed) is None:
            outside = middle
        else:
            inside = middle
    return Quantity((inside + outside) / 2, abs(inside - outside) / 2)


def _instability(
    parameters: TheoryParameters, branch: Branch, one: float, other: float, seed: int
) -> Quantity | None:
    """Where the uninformed branch's multiplier towards `branch` passes 1, if it does."""
    name = "m" if branch == "positional" else "theta"

    def growth(alpha: float, number: int) -> float:
        p = parameters.at(alpha=alpha)
        point = solve(p, "uninformed", log2_points=UNSTABLE, seed=number)
        return point.multipliers[name] - 1

    try:
        ends = [
            float(brentq(growth, one, other, args=(number,), xtol=5e-3 * min(one, other)))
            for number in (seed, seed + 1)
        ]
    except (BranchNotFoundError, NotConvergedError, ValueError):
        return None
    return Quantity(sum(ends) / 2, abs(ends[0] - ends[1]) / 2 + 5e-3 * min(one, other))
