"""One fixed point of the state evolution on one set of points, by Newton's method.

A branch is followed by pinning what it has none of: semantic m = 0, positional theta = 0,
uninformed both.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechprobe.models.theory.branch import Branch, BranchNotFoundError, NotConvergedError
from mechprobe.models.theory.evolution import THETA, Evolution, M, Q, State, Step, V
from mechprobe.models.theory.parameters import TheoryParameters

# Self-consistency: largest change of an overlap by one more step, relative for those above 1 (V).
TOLERANCE = 1e-6
PRESENT = 5e-3  # |m|, or |theta| / sigma^2, of a branch that exists
_LONGEST = 0.3  # of a Newton step, in logarithms of q and V and in m and theta
_LEGIBLE = 1e-4  # a shorter step tells more of single points' jumps than of the slope
_OWN = {"semantic": THETA, "positional": M}
FREE = {"semantic": (Q, THETA, V), "positional": (Q, M, V), "uninformed": (Q, V)}


@dataclass(frozen=True)
class Solution:
    """A fixed point on one point set."""

    state: State
    step: Step
    residual: float
    evolution: Evolution
    jacobian: Float[np.ndarray, "free free"]


def newton(
    evolution: Evolution,
    branch: Branch,
    guess: State,
    slope: Float[np.ndarray, "free free"] | None = None,
    exact: bool = False,
    iterations: int = 40,
) -> Solution:
    """Solve state = step(state): Newton's method, its Jacobian kept up by Broyden's updates.

    It begins with the slope 1 - Jacobian of a similar problem, if one is given.

    Raises:
        BranchNotFoundError, NotConvergedError: as `solve`; only where an exact solution is wanted.
    """
    p, free = evolution.parameters, list(FREE[branch])
    x = coordinates(p, guess)
    step = evolution.step(from_coordinates(p, x), fresh=True)
    slope = (
        np.eye(len(free)) - _jacobian(evolution, x, step, free) if slope is None else slope.copy()
    )
    wanted = TOLERANCE / 2 if exact else 1e-4
    best, kept, stalled, checked, careful = math.inf, x, 0, False, False
    for _ in range(iterations):
        residual = _residual(p, x, step, free)
        if residual < wanted:
            if checked or not exact:
                break
            # Valleys that opened on the way are found by a new search, from now on in each step.
            step, checked = evolution.step(from_coordinates(p, x), fresh=True), True
            continue
        careful = careful or checked
        stalled = 0 if residual < 0.5 * best else stalled + 1
        if residual < best:
            best, kept = residual, x
        if stalled == 5:
            x, stalled = kept, 0
            step = evolution.step(from_coordinates(p, x), fresh=True)
            slope = np.eye(len(free)) - _jacobian(evolution, x, step, free)
        change = (_ahead(p, step, free) - x)[free]
        move = np.linalg.solve(slope, change)
        move *= min(1.0, _LONGEST / max(1e-12, float(np.abs(move).max())))
        x = x.copy()
        x[free] += move
        step, checked = evolution.step(from_coordinates(p, x), fresh=careful), careful
        if move @ move > _LEGIBLE**2:
            after = (_ahead(p, step, free) - x)[free]
            slope -= np.outer(after - change + slope @ move, move) / (move @ move)
    else:
        x = kept
        step = evolution.step(from_coordinates(p, x), fresh=True)
    residual, state = _residual(p, x, step, free), from_coordinates(p, x)
    if exact:
        if not present(p, branch, state):
            raise not_found(p, branch, ": what was met on few points loses its OVERLAP on more")
        if not residual <= TOLERANCE or p.lam + step.Vhat * p.sigma**2 <= 0:
            raise NotConvergedError(
                f"{where(p)}: the {branch} branch is self-consistent only to {residual:.1e}"
                f" ({TOLERANCE:.0e} is wanted); try more points or another seed"
            )
    jacobian = _jacobian(evolution, x, step, free) if exact else np.eye(len(free)) - slope
    return Solution(state, step, residual, evolution, jacobian)


def coordinates(p: TheoryParameters, state: State) -> State:
    """(log of q's part that theta leaves unexplained, m, theta, log V): every value is possible."""
    unexplained = max(float(state[Q]) - float(state[THETA]) ** 2 / p.sigma**2, 1e-12)
    return np.array([math.log(unexplained), state[M], state[THETA], math.log(state[V])])


def _ahead(p: TheoryParameters, step: Step, free: list[int]) -> State:
    """Coordinates of the next state, pinned overlaps at zero."""
    pinned = np.zeros(4)
    pinned[free] = step.state[free]
    return coordinates(p, pinned)


def from_coordinates(p: TheoryParameters, x: State) -> State:
    """The state at coordinates x."""
    q = math.exp(min(x[Q], 50.0)) + x[THETA] ** 2 / p.sigma**2
    return np.array([q, x[M], x[THETA], math.exp(min(x[V], 50.0))])


def _residual(p: TheoryParameters, x: State, step: Step, free: list[int]) -> float:
    state = from_coordinates(p, x)
    # q and theta carry sigma^2: small tokens have small ones.
    unit = np.array([min(1.0, 4 * p.sigma**2), 1.0, min(1.0, 4 * p.sigma**2), 1.0])
    return float(np.abs((step.state - state) / np.maximum(unit, np.abs(state)))[free].max())


def _jacobian(
    evolution: Evolution, x: State, step: Step, free: list[int]
) -> Float[np.ndarray, "free free"]:
    p = evolution.parameters
    jacobian = np.zeros((len(free), len(free)))
    root = math.sqrt(float(from_coordinates(p, x)[Q]))
    width = 5e-3 * np.array([1.0, root, root * p.sigma, 1.0])
    here = _ahead(p, step, free)
    for column, i in enumerate(free):
        moved = x.copy()
        moved[i] += width[i]
        there = _ahead(p, evolution.step(from_coordinates(p, moved)), free)
        jacobian[:, column] = (there - here)[free] / width[i]
    return jacobian


def multipliers(solution: Solution, branch: Branch) -> dict[str, float]:
    """Growth of small perturbations by one step, transverse and along the branch.

    By symmetry (signs of m and of theta) the transverse directions decouple.
    """
    evolution, state = solution.evolution, solution.state
    grown = {"along": float(np.linalg.eigvals(solution.jacobian).real.max())}
    for name, i in (("m", M), ("theta", THETA)):
        if i not in FREE[branch]:
            grown[name] = growth(evolution, state, i)
    return grown


def growth(evolution: Evolution, state: State, i: int, fresh: bool = False) -> float:
    """By what one step multiplies overlap i (m or theta) where the state has none of it."""
    size = evolution.parameters.sigma if i == THETA else 1.0
    width = 0.05 * math.sqrt(float(state[Q])) * size
    ends = []
    for sign in (1, -1):
        moved = state.copy()
        moved[i] = sign * width
        ends.append(evolution.step(moved, fresh).state[i])
    return float(ends[0] - ends[1]) / (2 * width)


def own_overlap(branch: Branch, state: State) -> float:
    """The overlap that makes the branch: theta, m, or 0 for the uninformed one."""
    return float(state[_OWN[branch]]) if branch in _OWN else 0.0


def present(p: TheoryParameters, branch: Branch, state: State) -> bool:
    """Whether the state has enough of the branch's own overlap to tell it from none."""
    unit = p.sigma**2 if branch == "semantic" else 1.0
    return branch == "uninformed" or abs(own_overlap(branch, state)) > PRESENT * unit


def scale(p: TheoryParameters, state: State) -> State:
    """What a change of each overlap is measured by: its size, or what the size allows it to be."""
    # Where q goes to zero its relative changes mean nothing.
    q = max(float(state[Q]), 1e-3 * p.sigma**2)
    root = math.sqrt(q)
    return np.array([q, 0.5 * root, 0.5 * root * p.sigma, state[V]])


def not_found(p: TheoryParameters, branch: Branch, why: str) -> BranchNotFoundError:
    """The error that no such branch was found; "OVERLAP" in `why` becomes m or theta."""
    overlap = "m" if branch == "positional" else "theta"
    return BranchNotFoundError(
        f"{where(p)}: the {branch} branch was not found{why.replace('OVERLAP', overlap)}"
    )


def where(p: TheoryParameters) -> str:
    """The parameters, for a message."""
    return f"alpha={p.alpha:g}, omega={p.omega:g}, sigma={p.sigma:g}, lam={p.lam:g}"
