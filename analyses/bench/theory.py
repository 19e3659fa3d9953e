"""Measured speed of the theory, against its limits.

    mechprobe bench theory

Points on one core and thread, curve and diagram on all cores. The published way, a damped
iteration with one scipy.optimize.minimize for each node, is timed on some of the same nodes (the
published code does four, one for each conjugate overlap: it is slower by that factor).
"""

import time
from functools import partial
from unittest.mock import patch

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import softmax

from mechprobe.analyses.bench.speed import best_of
from mechprobe.analyses.commands.theory.diagram import diagram
from mechprobe.analyses.commands.theory.points import curve
from mechprobe.models.base.parallel import cores, one_thread
from mechprobe.models.theory import Branch, BranchPoint, Evolution, TheoryParameters, solve
from mechprobe.models.theory.evolution import State, Step, normal_points

POINT_LIMIT, CURVE_LIMIT, DIAGRAM_LIMIT = 1.0, 90.0, 600.0  # seconds
RATIO_LIMIT = 5000.0
SCIPY_NODES = 300
PAIR: tuple[Branch, ...] = ("semantic", "positional")
HERE = TheoryParameters(1.254)


def scipy_prox(z: Float[np.ndarray, " 4"], p: TheoryParameters, state: State) -> float:
    """The minimum of one node as published: scipy's default method from zero, in matrices."""
    q, m, theta, V = state
    xi, eta, s2 = z[:2], z[2:], p.sigma**2
    field = np.sqrt(q) * xi + m * np.array([1.0, -1.0])
    y = np.sqrt(s2 - theta**2 / q) * eta + theta / np.sqrt(q) * xi
    target = (1 - p.omega) * softmax(np.outer(y, y), 1) + p.omega * np.array(p.A)

    def energy(x: Float[np.ndarray, " 2"]) -> float:
        misfit = softmax(np.outer(x, x), 1) - target
        return float(((x - field) ** 2).sum() / (2 * V) + s2 / 2 * (misfit**2).sum())

    return float(minimize(energy, np.zeros(2)).fun)


def published_iterations() -> int:
    """Damped iterations of the published solver (0.8 of the old, to 1e-4, from its start)."""
    evolution, state = Evolution(HERE, 13, 0), np.array([0.9068, 0.0, 0.3472, 14.575])
    iterations, moved = 0, np.inf
    while moved > 1e-4 and iterations < 300:
        after = evolution.step(state, fresh=True).state
        after[1] = 0.0
        moved = np.abs(after - state)[:3].max()
        state = 0.8 * state + 0.2 * after
        iterations += 1
    return iterations


def counted(branch: Branch) -> tuple[float, int]:
    """Seconds of a solve at 2^16 points, and how often it evaluated a node."""
    nodes, step = 0, Evolution.step

    def counting(self: Evolution, state: State, fresh: bool = False) -> Step:
        nonlocal nodes
        nodes += len(self.points)
        return step(self, state, fresh)

    with patch.object(Evolution, "step", counting):
        start = time.perf_counter()
        _point(branch)
        return time.perf_counter() - start, nodes


def _point(branch: Branch) -> BranchPoint:
    return solve(HERE, branch, log2_points=16)


def show(name: str, value: float, unit: str, limit: float | None = None) -> bool:
    """Print a row; whether it is above its limit."""
    bound = "" if limit is None else f"limit {limit:g}"
    print(f"{name:42s} {value:10.4g} {unit:5s} {bound}", flush=True)
    return limit is not None and value > limit


def _against_scipy(state: State) -> bool:
    """Print both ratios; whether the one for a whole point is below its limit."""
    nodes = normal_points(16, 0)[:: 2**16 // SCIPY_NODES][:SCIPY_NODES]
    reference = best_of(lambda: [scipy_prox(z, HERE, state) for z in nodes], 2) / len(nodes)
    seconds, evaluated = min(counted("semantic") for _ in range(3))
    cold = best_of(lambda: Evolution(HERE, 16, 0).step(state, fresh=True), 3) / 2**16
    iterations, ours = published_iterations(), evaluated / 2**17
    show("scipy.optimize.minimize, a node", reference * 1e6, "us")
    show("ours within a solve, a node", seconds / evaluated * 1e6, "us")
    show("ours, multistart from nothing, a node", cold * 1e6, "us")
    show("scipy / ours within a solve, a node", reference * evaluated / seconds, "times")
    show("scipy / ours from nothing, a node", reference / cold, "times")
    show("evaluations of a node for a point, ours", ours, "")
    show("  published damped iteration", iterations, "")
    ratio = iterations * reference * 2**17 / seconds
    show(f"whole point, same nodes, >= {RATIO_LIMIT:g}", ratio, "times")
    return ratio < RATIO_LIMIT


def run() -> int:
    """Print measured numbers with their limits; 1 where one is broken."""
    one_thread()
    state = _point("semantic").state  # compiled from here on
    slow = []
    for branch in PAIR:
        seconds = best_of(partial(_point, branch), 3)
        slow.append(show(f"{branch} point, 2 sets of 2^16", seconds, "s", POINT_LIMIT))
        show("  the same for one set", seconds / 2, "s")
    slow.append(_against_scipy(state))
    seconds = best_of(lambda: curve(HERE, np.linspace(0.1, 3, 50).tolist(), PAIR), 1)
    slow.append(show(f"curve, 50 x 2 points, {cores()} cores", seconds, "s", CURVE_LIMIT))
    alphas, omegas = np.linspace(0.1, 3, 25).tolist(), np.linspace(0, 0.95, 20).tolist()
    seconds = best_of(lambda: diagram(HERE, alphas, omegas), 1)
    slow.append(show(f"diagram, 25 x 20 cells, {cores()} cores", seconds, "s", DIAGRAM_LIMIT))
    return 1 if any(slow) else 0
