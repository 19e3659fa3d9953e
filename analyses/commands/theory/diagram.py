"""The (alpha, omega) plane of the solvable attention model: which branch is the global minimum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mechprobe.analyses.commands.theory.points import (
    Object,
    Row,
    as_quantity,
    linear,
    rows,
    setting,
)
from mechprobe.models.theory import Branch, Quantity, TheoryParameters

PAIR: tuple[Branch, ...] = ("semantic", "positional")


@dataclass(frozen=True)
class Cell:
    """One setting.

    Args:
        rows: of each branch solved for: both, and the uninformed where neither exists.
        linear: mse of the dense linear baseline.
    """

    rows: dict[Branch, Row]
    linear: Quantity

    @property
    def minimum(self) -> Row | None:
        """The branch of least training loss; None if a branch was not solved."""
        if any(row.status == "not converged" for row in self.rows.values()):
            return None
        solved = [row for row in self.rows.values() if row.point is not None]
        return min(solved, key=_loss, default=None)

    @property
    def loss_difference(self) -> Quantity | None:
        """Training loss / d, semantic minus positional; None unless both are solved."""
        one, other = (self.rows[branch].point for branch in PAIR)
        if one is None or other is None:
            return None
        return _minus(one.train_loss, other.train_loss)

    def excess(self, branch: Branch) -> Quantity | None:
        """A branch's mse minus the linear baseline's."""
        point = self.rows[branch].point if branch in self.rows else None
        return None if point is None else _minus(point.mse, self.linear)


@dataclass(frozen=True)
class Line:
    """Both transitions at one omega, read from the grid; None where it holds none."""

    omega: float
    alpha_c: float | None
    alpha_l: float | None


@dataclass(frozen=True)
class Diagram:
    """Cells by omega, then alpha, and the transitions of each omega."""

    parameters: TheoryParameters
    alphas: tuple[float, ...]
    omegas: tuple[float, ...]
    cells: tuple[tuple[Cell, ...], ...]
    lines: tuple[Line, ...]


def diagram(
    parameters: TheoryParameters,
    alphas: Sequence[float],
    omegas: Sequence[float],
    log2_points: int = 12,
    seed: int = 0,
) -> Diagram:
    """Solve both branches on a grid, on all cores.

    The transition lines are interpolated linearly between cells: their error is a fraction of the
    grid's spacing that is not estimated; `mechprobe.models.theory.transitions` solves for them.

    Args:
        parameters: sigma, lam and A; its alpha and omega are not used.
        alphas, omegas: of the grid, increasing.
        log2_points, seed: as `mechprobe.models.theory.solve`.

    Raises:
        MechprobeError: an alpha or omega that no model can have.
    """
    grid = [parameters.at(alpha=alpha, omega=omega) for omega in omegas for alpha in alphas]
    found = rows(grid, PAIR, log2_points, seed, f"{len(grid)} cells")
    table: dict[TheoryParameters, dict[Branch, Row]] = {p: {} for p in grid}
    for row in found:
        table[row.parameters][row.branch] = row
    neither = [p for p in grid if all(row.status == "not found" for row in table[p].values())]
    if neither:
        for row in rows(neither, ("uninformed",), log2_points, seed, "cells with neither branch"):
            table[row.parameters]["uninformed"] = row
    cells, lines = [], []
    for i, omega in enumerate(omegas):
        base = linear(parameters.at(omega=omega), log2_points, seed)
        across = grid[i * len(alphas) : (i + 1) * len(alphas)]
        cells.append(tuple(Cell(table[p], base) for p in across))
        lines.append(_line(omega, alphas, cells[-1]))
    return Diagram(parameters, tuple(alphas), tuple(omegas), tuple(cells), tuple(lines))


def as_object(found: Diagram) -> Object:
    """A diagram as JSON; None in place of what is not there or was not solved."""
    parameters = setting(found.parameters)
    del parameters["alpha"], parameters["omega"]
    return {
        **parameters,
        "alphas": list(found.alphas),
        "omegas": list(found.omegas),
        "cells": [_cell_object(cell) for across in found.cells for cell in across],
        "lines": [
            {"omega": line.omega, "alpha_c": line.alpha_c, "alpha_l": line.alpha_l}
            for line in found.lines
        ],
    }


def _cell_object(cell: Cell) -> Object:
    least, p = cell.minimum, cell.rows["semantic"].parameters
    point = None if least is None else least.point
    return {
        "alpha": p.alpha,
        "omega": p.omega,
        "status": {branch: row.status for branch, row in cell.rows.items()},
        "messages": [row.message for row in cell.rows.values() if row.status == "not converged"],
        "loss_difference": as_quantity(cell.loss_difference),
        "minimum": None if least is None else least.branch,
        "minimum_stable": None if point is None else point.stable,
        "mse": None if point is None else as_quantity(point.mse),
        "linear_mse": as_quantity(cell.linear),
        "mse_minus_linear": None if least is None else as_quantity(cell.excess(least.branch)),
    }


def _line(omega: float, alphas: Sequence[float], cells: Sequence[Cell]) -> Line:
    alpha_c = alpha_l = None
    for i in range(len(cells) - 1):
        here, there = cells[i], cells[i + 1]
        span = (alphas[i], alphas[i + 1])
        crossing = _zero(span, here.loss_difference, there.loss_difference)
        alpha_c = crossing if alpha_c is None else alpha_c
        least, after = here.minimum, there.minimum
        if alpha_l is not None or least is None or after is None:
            continue
        before, now = here.excess(least.branch), there.excess(after.branch)
        if before is None or now is None or not before.value > 0 >= now.value:
            continue
        alpha_l = _zero(span, here.excess(after.branch), now)
        if least.branch != after.branch and crossing is not None:
            # The minimum changes branch in between: it wins where both have happened.
            alpha_l = crossing if alpha_l is None else max(alpha_l, crossing)
    return Line(omega, alpha_c, alpha_l)


def _zero(span: tuple[float, float], one: Quantity | None, other: Quantity | None) -> float | None:
    """Where the straight line through both values is zero, if it is within the span."""
    if one is None or other is None or one.value * other.value > 0 or one.value == other.value:
        return None
    share = one.value / (one.value - other.value)
    return span[0] + share * (span[1] - span[0])


def _minus(one: Quantity, other: Quantity) -> Quantity:
    return Quantity(one.value - other.value, math.hypot(one.error, other.error))


def _loss(row: Row) -> float:
    assert row.point is not None
    return row.point.train_loss.value
