"""One fixed point of the state evolution on one set of points: its basin, then Newton's method.

A branch is followed by pinning what it has none of: semantic m = 0, positional theta = 0,
uninformed both.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechprobe.models.theory.branch import Branch, BranchAbsentError, NotConvergedError
from mechprobe.models.theory.evolution import THETA, Evolution, M, Q, State, Step, V
from mechprobe.models.theory.parameters import TheoryParameters

# Self-consistency: largest change of an overlap by one more step, relative for those above 1 (V).
TOLERANCE = 1e-6
PRESENT = 5e-3  # |m|, or |theta| / sigma^2, of a branch that exists
_LONGEST = 0.3  # of a Newton step, in logarithms of q and V and in m and theta
_LEGIBLE = 1e-4  # a shorter step tells more of single points' jumps than of the slope
FREE = {"semantic": (Q, THETA, V), "positional": (Q, M, V), "uninformed": (Q, V)}


@dataclass(frozen=True)
class Solution:
    """A fixed point on one point set."""

    state: State
    step: Step
    residual: float
    evolution: Evolution
    jacobian: Float[np.ndarray, "free free"]


def _starts(p: TheoryParameters, branch: Branch) -> Iterator[tuple[State, float]]:
    """Where to begin, and which share of the new iterate to take: the positional branch wants
    little of it, for its multiplier reaches -6."""
    s2 = p.sigma**2
    for share in (0.1, 0.04) if branch == "positional" else (0.25, 0.1):
        for size in (0.05, 0.15, 0.4):
            m = math.sqrt(size) if branch == "positional" else 0.0
            theta = 0.9 * s2 * math.sqrt(size) if branch == "semantic" else 0.0
            for stiff in (0.6, 0.1):
                # With hardly a ridge the loss holds the fields, not lam.
                v = min(stiff * s2 / p.lam, 40.0 * stiff)
                yield np.array([size * max(s2, 0.1), m, theta, v]), share


def basin(evolution: Evolution, branch: Branch) -> State:
    """A rough fixed point with the branch's own overlap above zero."""
    p = evolution.parameters
    tries = list(_starts(p, branch))
    failed, slowest = "", tries[-1][1]
    for state, share in tries:
        if share == slowest and not failed:
            break  # every quicker start lost the overlap without a struggle
        found, moved = _iterate(evolution, branch, state, share)
        if not _present(p, branch, found):
            continue
        if moved < 3e-3:
            return found
        failed = f"the damped iteration still moves by {moved:.1e}"
    if failed:
        raise NotConvergedError(f"{_where(p)}: the {branch} branch was not reached; {failed}")
    _refuse_doubtful(evolution, branch)
    raise absent(p, branch)


def _refuse_doubtful(evolution: Evolution, branch: Branch) -> None:
    """Every start lost the overlap; where the uninformed branch cannot do without it, that is a
    failure of the search and no absence.

    Raises:
        NotConvergedError: the uninformed branch is unstable to the overlap.
    """
    p = evolution.parameters
    state, moved = _iterate(evolution, "uninformed", next(_starts(p, "uninformed"))[0], 0.25)
    name = "m" if branch == "positional" else "theta"
    growth = _growth(evolution, state, M if branch == "positional" else THETA, fresh=True)
    # A quarter: the growth is measured on few points.
    if moved < 0.1 and growth > 1.25:
        raise NotConvergedError(
            f"{_where(p)}: no {branch} branch was found, though {name} grows from zero"
            f" ({growth:.2f} times a step); replica symmetry may fail here, or try more points"
        )


def _iterate(
    evolution: Evolution, branch: Branch, state: State, share: float
) -> tuple[State, float]:
    """Damped iteration; the last relative change of the overlaps by a whole step."""
    free, moved = list(FREE[branch]), math.inf
    state = _admissible(evolution.parameters, state)
    for i in range(int(100 / share)):
        change = np.zeros(4)
        change[free] = (evolution.step(state, fresh=i % 20 == 0).state - state)[free]
        moved = float(np.abs(change[free] / _scale(evolution.parameters, state)[free]).max())
        state = _admissible(evolution.parameters, state + share * change)
        if moved < 1e-3 or (i % 20 == 19 and not _present(evolution.parameters, branch, state)):
            break
    return state, moved


def newton(
    evolution: Evolution,
    branch: Branch,
    guess: State,
    slope: Float[np.ndarray, "free free"] | None = None,
    exact: bool = False,
) -> Solution:
    """Solve state = step(state): Newton's method, its Jacobian kept up by Broyden's updates.

    It begins with the slope 1 - Jacobian of a similar problem, if one is given.

    Raises:
        BranchAbsentError, NotConvergedError: as `solve`; only where an exact solution is wanted.
    """
    p, free = evolution.parameters, list(FREE[branch])
    x = _coordinates(p, guess)
    step = evolution.step(_state(p, x), fresh=True)
    slope = (
        np.eye(len(free)) - _jacobian(evolution, x, step, free) if slope is None else slope.copy()
    )
    wanted = TOLERANCE / 2 if exact else 1e-4
    best, kept, stalled, checked, careful = math.inf, x, 0, False, False
    for _ in range(40):
        residual = _residual(p, x, step, free)
        if residual < wanted:
            if checked or not exact:
                break
            # Valleys that opened on the way are found by a new search, from now on in each step.
            step, checked = evolution.step(_state(p, x), fresh=True), True
            continue
        careful = careful or checked
        stalled = 0 if residual < 0.5 * best else stalled + 1
        if residual < best:
            best, kept = residual, x
        if stalled == 5:
            x, stalled = kept, 0
            step = evolution.step(_state(p, x), fresh=True)
            slope = np.eye(len(free)) - _jacobian(evolution, x, step, free)
        change = (_ahead(p, step, free) - x)[free]
        move = np.linalg.solve(slope, change)
        move *= min(1.0, _LONGEST / max(1e-12, float(np.abs(move).max())))
        x = x.copy()
        x[free] += move
        step, checked = evolution.step(_state(p, x), fresh=careful), careful
        if move @ move > _LEGIBLE**2:
            after = (_ahead(p, step, free) - x)[free]
            slope -= np.outer(after - change + slope @ move, move) / (move @ move)
    else:
        x = kept
        step = evolution.step(_state(p, x), fresh=True)
    residual, state = _residual(p, x, step, free), _state(p, x)
    if exact:
        if not _present(p, branch, state):
            raise absent(p, branch)
        if not residual <= TOLERANCE or p.lam + step.Vhat * p.sigma**2 <= 0:
            raise NotConvergedError(
                f"{_where(p)}: the {branch} branch is self-consistent only to {residual:.1e}"
                f" ({TOLERANCE:.0e} is wanted); try more points or another seed"
            )
    jacobian = _jacobian(evolution, x, step, free) if exact else np.eye(len(free)) - slope
    return Solution(state, step, residual, evolution, jacobian)


def _coordinates(p: TheoryParameters, state: State) -> State:
    """(log of q's part that theta leaves unexplained, m, theta, log V): every value is possible."""
    unexplained = max(float(state[Q]) - float(state[THETA]) ** 2 / p.sigma**2, 1e-12)
    return np.array([math.log(unexplained), state[M], state[THETA], math.log(state[V])])


def _ahead(p: TheoryParameters, step: Step, free: list[int]) -> State:
    """Coordinates of the next state, pinned overlaps at zero."""
    pinned = np.zeros(4)
    pinned[free] = step.state[free]
    return _coordinates(p, pinned)


def _state(p: TheoryParameters, x: State) -> State:
    q = math.exp(min(x[Q], 50.0)) + x[THETA] ** 2 / p.sigma**2
    return np.array([q, x[M], x[THETA], math.exp(min(x[V], 50.0))])


def _residual(p: TheoryParameters, x: State, step: Step, free: list[int]) -> float:
    state = _state(p, x)
    # q and theta carry sigma^2: small tokens have small ones.
    unit = np.array([min(1.0, 4 * p.sigma**2), 1.0, min(1.0, 4 * p.sigma**2), 1.0])
    return float(np.abs((step.state - state) / np.maximum(unit, np.abs(state)))[free].max())


def _jacobian(
    evolution: Evolution, x: State, step: Step, free: list[int]
) -> Float[np.ndarray, "free free"]:
    p = evolution.parameters
    jacobian = np.zeros((len(free), len(free)))
    root = math.sqrt(float(_state(p, x)[Q]))
    width = 5e-3 * np.array([1.0, root, root * p.sigma, 1.0])
    here = _ahead(p, step, free)
    for column, i in enumerate(free):
        moved = x.copy()
        moved[i] += width[i]
        there = _ahead(p, evolution.step(_state(p, moved)), free)
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
            grown[name] = _growth(evolution, state, i)
    return grown


def _growth(evolution: Evolution, state: State, i: int, fresh: bool = False) -> float:
    """By what one step multiplies overlap i (m or theta) where the state has none of it."""
    size = evolution.parameters.sigma if i == THETA else 1.0
    width = 0.05 * math.sqrt(float(state[Q])) * size
    ends = []
    for sign in (1, -1):
        moved = state.copy()
        moved[i] = sign * width
        ends.append(evolution.step(moved, fresh).state[i])
    return float(ends[0] - ends[1]) / (2 * width)


def _present(p: TheoryParameters, branch: Branch, state: State) -> bool:
    if branch == "positional":
        return abs(float(state[M])) > PRESENT
    return branch == "uninformed" or abs(float(state[THETA])) > PRESENT * p.sigma**2


def _scale(p: TheoryParameters, state: State) -> State:
    # Where q goes to zero its relative changes mean nothing.
    q = max(float(state[Q]), 1e-3 * p.sigma**2)
    root = math.sqrt(q)
    return np.array([q, 0.5 * root, 0.5 * root * p.sigma, state[V]])


def _admissible(p: TheoryParameters, state: State) -> State:
    """Overlaps that some weights could have: q, V > 0 and theta^2 < sigma^2 q."""
    q, v = max(float(state[Q]), 1e-10), max(float(state[V]), 1e-10)
    bound = 0.9999 * p.sigma * math.sqrt(q)
    return np.array([q, state[M], np.clip(state[THETA], -bound, bound), v])


def absent(p: TheoryParameters, branch: Branch) -> BranchAbsentError:
    overlap = "m" if branch == "positional" else "theta"
    return BranchAbsentError(
        f"{_where(p)}: there is no {branch} branch here that was found"
        f" ({overlap} goes to 0 from every start)"
    )


def _where(p: TheoryParameters) -> str:
    return f"alpha={p.alpha:g}, omega={p.omega:g}, sigma={p.sigma:g}, lam={p.lam:g}"
