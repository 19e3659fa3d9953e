"""Where a curve along training changes at once, with an error; nothing where it is smooth or flat.

A change point is a jump between two neighbouring snapshots that a smooth curve cannot follow.
What is tested is one model within another: a cubic spline in log step, and the same spline with
a step of free height at one gap between snapshots. The statistic is the largest F over all gaps,
as in Andrews (Econometrica 61, 1993); how large it gets without a step comes from a wild bootstrap
of residuals (Hansen, Journal of Econometrics 97, 2000), with signs shared by neighbouring
snapshots because training wobbles slowly. The same bootstrap around the curve with the step says
how well the place is known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mechprobe.models.base.draws import draw_integers

LEAST = 12  # snapshots below which a jump cannot be told from noise
PER_KNOT = 5  # snapshots for each coefficient of the smooth curve: what is slower is smooth
MARGIN = 3  # snapshots on either side of a change
REPLICATES = 299  # of the bootstrap
CHANCE = 0.01  # largest probability of such a jump without a step
SHARE = 0.2  # least size, of the whole range of the curve
STANDS_OUT = 7.0  # times as large as the moves nearby; keeps out drifts and steep slopes
NEARBY = 5  # gaps on either side that count as nearby
SHARED_SIGNS = 3  # neighbouring snapshots
MOST = 3  # changes of a curve
COVERED = 95  # per cent of replicates whose places lie between `low` and `high`


@dataclass(frozen=True)
class ChangePoint:
    """A jump of a curve.

    Args:
        after, step: the snapshots before and behind it.
        low, high: snapshots that the true place lies between, in 95 % of replicates.
        jump: signed size, in units of the curve.
        chance: how often the bootstrap gives so large a statistic where there is no step.
    """

    after: int
    step: int
    low: int
    high: int
    jump: float
    chance: float


@dataclass(frozen=True)
class Changes:
    """What was found along one curve.

    Args:
        number: name of the curve in `Snapshot.numbers`.
        snapshots: how many have it.
        points: in the order of steps; None where there are too few snapshots to tell.
    """

    number: str
    snapshots: int
    points: list[ChangePoint] | None


def changes_of(
    number: str,
    steps: Sequence[int],
    values: Sequence[float | None],
    generator: torch.Generator,
) -> Changes:
    """The change points of a curve.

    Args:
        number: its name.
        steps: of the snapshots, rising, at least 1.
        values: one a snapshot; None or NaN where there is none.
        generator: source of the bootstrap's signs.
    """
    pairs = [
        (step, value)
        for step, value in zip(steps, values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    if len(pairs) < LEAST:
        return Changes(number, len(pairs), None)
    known, y = [step for step, _ in pairs], np.array([value for _, value in pairs])
    curve = _Curve(smooth_basis(np.log(np.array(known, dtype=float))), y)
    found: list[_Jump] = []
    # Two at once where one alone is not enough: the other would count as noise.
    while len(found) < MOST:
        room = MOST - len(found)
        tries = (curve.further(found, more, generator) for more in (1, 2) if more <= room)
        if (longer := next((one for one in tries if one is not None), None)) is None:
            break
        found = longer
    points = [
        ChangePoint(known[j.at - 1], known[j.at], known[j.low - 1], known[j.high], j.size, j.chance)
        for j in sorted(found, key=lambda one: one.at)
    ]
    return Changes(number, len(pairs), points)


def smooth_basis(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n coefficient"]:
    """Cubic B-splines on evenly spaced knots, a coefficient for every few points.

    Args:
        x: rising.
    """
    from scipy.interpolate import BSpline

    coefficients = max(4, round(len(x) / PER_KNOT))
    inner = np.linspace(0, 1, coefficients - 2)
    knots = np.concatenate([np.zeros(3), inner, np.ones(3)])
    at = np.clip((x - x[0]) / (x[-1] - x[0]), 0, 1)
    design: np.ndarray = BSpline.design_matrix(at, knots, 3).toarray()
    return design


@dataclass(frozen=True)
class _Jump:
    """A jump before point `at`; `low` and `high` bound that place."""

    at: int
    low: int
    high: int
    size: float
    chance: float


@dataclass(frozen=True)
class _Curve:
    """Values y, and what a smooth curve through them may look like."""

    base: Float[np.ndarray, "n coefficient"]
    y: Float[np.ndarray, " n"]

    def further(
        self, known: Sequence[_Jump], more: int, generator: torch.Generator
    ) -> list[_Jump] | None:
        """The known jumps and the most prominent others; None unless each of these stands out."""
        found = [jump.at for jump in known]
        for _ in range(more):
            scan = self._scan(found)
            if scan is None:
                return None
            found.append(int(scan.places[scan(self.y[:, None])[:, 0].argmax()]))
        noise_of = _residuals(self._with(found), self.y)
        new = [self._judged(at, found, noise_of, generator) for at in found[len(known) :]]
        jumps = [jump for jump in new if jump is not None]
        return [*known, *jumps] if len(jumps) == more else None

    def _judged(
        self,
        at: int,
        all_places: Sequence[int],
        residual: Float[np.ndarray, " n"],
        generator: torch.Generator,
    ) -> _Jump | None:
        """One of the jumps, beside the others; None where it may be noise or a slope."""
        y = self.y
        scan = self._scan([place for place in all_places if place != at])
        if scan is None or at not in scan.places:
            return None
        best = int(np.flatnonzero(scan.places == at)[0])
        size = scan.height(y, best)
        visible = min(abs(size), abs(y[at] - y[at - 1]))
        if abs(size) < SHARE * np.ptp(y) or visible < STANDS_OUT * _nearby(y, at):
            return None
        noise = residual[:, None] * _signs(len(y), generator)
        statistic = scan(y[:, None])[best, 0]
        chance = (1 + int((scan(noise).max(0) >= statistic).sum())) / (REPLICATES + 1)
        if chance > CHANCE:
            return None
        fitted = _fitted(self._with(all_places), y)
        places = scan.places[scan(fitted[:, None] + noise).argmax(0)]
        tail = (100 - COVERED) / 2
        low, high = (round(float(edge)) for edge in np.percentile(places, [tail, 100 - tail]))
        return _Jump(at, min(low, at), max(high, at), size, chance)

    def _with(self, places: Sequence[int]) -> Float[np.ndarray, "n coefficient"]:
        steps = [np.arange(len(self.y)) >= place for place in places]
        full: np.ndarray = np.column_stack([self.base, *steps])
        return full

    def _scan(self, taken: Sequence[int]) -> "_Scan | None":
        """Of a step beside those taken; None where there is no room, or nothing to see."""
        n, y = len(self.y), self.y
        free = [
            i for i in range(MARGIN, n - MARGIN + 1) if all(abs(i - t) >= MARGIN for t in taken)
        ]
        freedom = n - self.base.shape[1] - len(taken) - 1
        # Below the last digits that are stored there is nothing to see.
        flat = np.ptp(y) <= 1e-6 * np.abs(y).max()
        if not free or freedom < 1 or flat:
            return None
        return _Scan(self._with(taken), np.array(free), freedom)


class _Scan:
    """F of a step at each place, beside a base that every curve is first freed of."""

    def __init__(
        self, base: Float[np.ndarray, "n coefficient"], places: np.ndarray, freedom: int
    ) -> None:
        self.orthogonal = np.linalg.qr(base)[0]
        self.places, self.freedom = places, freedom
        self.steps = self._rest((np.arange(len(base))[:, None] >= places).astype(float))
        self.sizes = (self.steps**2).sum(0)

    def _rest(self, curves: Float[np.ndarray, "n curve"]) -> Float[np.ndarray, "n curve"]:
        left: np.ndarray = curves - self.orthogonal @ (self.orthogonal.T @ curves)
        return left

    def __call__(self, curves: Float[np.ndarray, "n curve"]) -> Float[np.ndarray, "place curve"]:
        rest = self._rest(curves)
        whole = (rest**2).sum(0)
        explained = (self.steps.T @ rest) ** 2 / self.sizes[:, None]
        # A curve that the step explains to the last digit has a large F, not an infinite one.
        left = np.maximum(whole - explained, 1e-12 * whole + np.finfo(float).tiny)
        ratio: np.ndarray = self.freedom * explained / left
        return ratio

    def height(self, y: Float[np.ndarray, " n"], place: int) -> float:
        """Least-squares size of the step."""
        return float(self.steps[:, place] @ y / self.sizes[place])


def _fitted(
    base: Float[np.ndarray, "n coefficient"], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    orthogonal = np.linalg.qr(base)[0]
    fitted: np.ndarray = orthogonal @ (orthogonal.T @ y)
    return fitted


def _residuals(
    base: Float[np.ndarray, "n coefficient"], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """As large as errors are, whatever a point's leverage (HC3)."""
    leverage = (np.linalg.qr(base)[0] ** 2).sum(1)
    found: np.ndarray = (y - _fitted(base, y)) / (1 - np.minimum(leverage, 0.9))
    return found


def _signs(n: int, generator: torch.Generator) -> Float[np.ndarray, "n replicate"]:
    """+1 or -1 for runs of neighbours, which begin elsewhere in each replicate."""
    runs = -(-n // SHARED_SIGNS) + 1
    signs = 2.0 * draw_integers(2, (runs, REPLICATES), generator).numpy() - 1
    begin = draw_integers(SHARED_SIGNS, (REPLICATES,), generator).numpy()
    rows = (np.arange(n)[:, None] + begin) // SHARED_SIGNS
    drawn: np.ndarray = np.take_along_axis(signs, rows, 0)
    return drawn


def _nearby(y: Float[np.ndarray, " n"], i: int) -> float:
    """Median move between neighbours around the gap before point i, without that gap."""
    moves = np.abs(np.diff(y))
    near = [j for j in range(max(0, i - 1 - NEARBY), min(len(moves), i + NEARBY)) if j != i - 1]
    return float(np.median(moves[near]))
