"""Experiments against theory: means, standard errors, z-scores; and who ended where."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from mechprobe.analyses.studies.attention_phase_transition.contents import (
    Comparison,
    Observable,
    PublishedRow,
    Source,
)
from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    Branch,
    End,
    Minima,
    Minimum,
    Number,
    Paths,
    TheoryPair,
    TheoryPoint,
    TransitionLine,
)

ERRORS, SHARE = 2.0, 0.02  # standard errors, and share of theory, by which a mean may be off
NEAR = 0.15  # distance from a theory point in the (m, theta) plane; the points are .25 apart


def own(point: TheoryPoint, branch: Branch) -> Number:
    """The overlap a branch is named for."""
    return point.theta if branch == "semantic" else point.m


def observed(minimum: Minimum) -> dict[Observable, float]:
    """What of a minimum is compared with theory."""
    return {"overlap": minimum.own, "loss": minimum.loss, "test error": minimum.test_error}


def compare(
    pairs: Iterable[TheoryPair],
    minima: Iterable[Minima],
    rows: Iterable[PublishedRow],
    published_runs: int,
) -> list[Comparison]:
    """Every observable of both branches, ours and the published, at alphas the theory has.

    Our means are over the minima that stayed on the start's branch; the published runs cannot
    be told apart.
    """
    theory = {round(pair.alpha, 9): pair for pair in pairs}
    found: list[Comparison] = []
    for block in minima:
        pair = theory.get(round(block.alpha, 9))
        if pair is not None:
            for branch in BRANCHES:
                found += _ours(pair, block, branch)
    for row in rows:
        pair = theory.get(round(row.alpha, 9))
        if pair is not None:
            found += _published(pair, row, published_runs)
    return found


def _ours(pair: TheoryPair, block: Minima, branch: Branch) -> list[Comparison]:
    started = [minimum for minimum in block.minima if minimum.start == branch]
    stayed = [minimum for minimum in started if minimum.stayed]
    if not stayed:
        return []
    counts = len(stayed), len(started)
    return [
        _comparison("ours", branch, pair, name, *statistics([observed(s)[name] for s in stayed]),
                    *counts)
        for name in observed(stayed[0])
    ]  # fmt: skip


def statistics(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean, standard error and standard deviation (None for a single value)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None, None
    spread = float(np.std(values, ddof=1))
    return mean, spread / math.sqrt(len(values)), spread


def _published(pair: TheoryPair, row: PublishedRow, runs: int) -> list[Comparison]:
    semantic = row.start == "semantic"
    measured: dict[Observable, tuple[float, float | None]] = {
        "overlap": (row.theta, row.theta_spread) if semantic else (row.m, row.m_spread),
        "loss": (row.loss, None),
        "test error": (row.test_error, row.test_error_spread),
    }
    return [
        _comparison(
            "published", row.start, pair, name, mean,
            None if spread is None else spread / math.sqrt(runs), spread, None, runs,
        )
        for name, (mean, spread) in measured.items()
    ]  # fmt: skip


def _comparison(
    source: Source,
    branch: Branch,
    pair: TheoryPair,
    observable: Observable,
    mean: float,
    error: float | None,
    spread: float | None,
    stayed: int | None,
    runs: int,
) -> Comparison:
    point = pair.branch(branch)
    theory, z, allowed = None, None, None
    if point is not None:
        theory = {"overlap": own(point, branch), "loss": point.loss}.get(
            observable, point.test_error
        )
        allowed = ERRORS * (error or 0.0) + SHARE * abs(theory.value)
        if error:
            z = (mean - theory.value) / math.hypot(error, theory.error or 0.0)
    return Comparison(
        source=source, branch=branch, alpha=pair.alpha, observable=observable, mean=mean,
        error=error, spread=spread, theory=theory, z=z, allowed=allowed, stayed=stayed, runs=runs,
    )  # fmt: skip


def settle(paths: Iterable[Paths], pairs: Iterable[TheoryPair]) -> list[Paths]:
    """Tell for each path which point of the theory it ended at, if any."""
    theory = {round(pair.alpha, 9): pair for pair in pairs}
    return [
        block.model_copy(
            update={
                "paths": [
                    path.model_copy(update={"end": nearest(path.final_m, path.final_theta, pair)})
                    for path in block.paths
                ]
            }
        )
        for block in paths
        for pair in [theory[round(block.alpha, 9)]]
    ]


def nearest(m: float, theta: float, pair: TheoryPair) -> End:
    """The stable branch whose point is next to (|m|, |theta|), no further off than NEAR and nearer
    than the origin; else "neither"."""
    here = np.array([abs(m), abs(theta)])
    distances: dict[End, float] = {"neither": float(np.linalg.norm(here))}
    for branch in BRANCHES:
        point = pair.branch(branch)
        if point is not None and point.stable:
            there = np.array([point.m.value, point.theta.value])
            distances[branch] = float(np.linalg.norm(here - there))
    end = min(distances, key=lambda name: distances[name])
    return end if distances[end] <= NEAR else "neither"


def line(pairs: Sequence[TheoryPair]) -> TransitionLine:
    """Transitions of one omega read off a grid of alphas, linear between its points.

    alpha_l is where the semantic branch falls below the linear baseline, but not before it is
    the global minimum: the positional branch never does. Errors are not known.

    Args:
        pairs: of one omega, alphas ascending.
    """
    alphas = np.array([pair.alpha for pair in pairs])
    gaps = np.array([_or_nan(pair.gap()) for pair in pairs])
    better = np.array(
        [
            math.nan if pair.semantic is None else pair.semantic.test_error.value - pair.linear
            for pair in pairs
        ]
    )
    alpha_c = _falls_below_zero(alphas, gaps)
    alpha_l = _falls_below_zero(alphas, better)
    if alpha_l is not None and alpha_c is not None:
        alpha_l = max(alpha_l, alpha_c)
    return TransitionLine(
        omega=pairs[0].omega,
        alpha_c=_number(alpha_c),
        alpha_l=_number(alpha_l),
        notes=[],
        searched=False,
    )


def _falls_below_zero(alphas: np.ndarray, heights: np.ndarray) -> float | None:
    there = ~np.isnan(heights)
    x, y = alphas[there], heights[there]
    for i in range(len(x) - 1):
        if y[i] > 0 >= y[i + 1]:
            return float(x[i] + (x[i + 1] - x[i]) * y[i] / (y[i] - y[i + 1]))
    return None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _number(value: float | None) -> Number | None:
    return None if value is None else Number(value=value, error=None)
