"""The basin of a branch from rough starts: a damped iteration on few points."""

import math
from collections.abc import Iterator

import numpy as np

from mechprobe.models.theory.branch import Branch, NotConvergedError
from mechprobe.models.theory.evolution import THETA, Evolution, M, Q, State, V
from mechprobe.models.theory.fixed_point import FREE, growth, not_found, present, scale, where
from mechprobe.models.theory.parameters import TheoryParameters

# V of a start, in units of its share of 1: where the ridge is so small that sigma^2 / lam is more,
# starts are no guide, and the branch has to be followed from a larger ridge.
STIFFEST = 40.0
LOST = " from these starts (OVERLAP goes to 0 from each)"


def within_reach(p: TheoryParameters) -> bool:
    """Whether the ridge is large enough for the starts to have the scale of the solution."""
    return p.sigma**2 / p.lam <= STIFFEST


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
                v = stiff * min(s2 / p.lam, STIFFEST)
                yield np.array([size * max(s2, 0.1), m, theta, v]), share


def basin(evolution: Evolution, branch: Branch) -> State:
    """A rough fixed point with the branch's own overlap above zero.

    Raises:
        BranchNotFoundError: every start lost it.
        NotConvergedError: some kept it, but did not come to rest.
    """
    p = evolution.parameters
    tries = list(_starts(p, branch))
    failed, slowest = "", tries[-1][1]
    for state, share in tries:
        if share == slowest and not failed:
            break  # every quicker start lost the overlap without a struggle
        found, moved = _iterate(evolution, branch, state, share)
        if not present(p, branch, found):
            continue
        if moved < 3e-3:
            return found
        failed = f"the damped iteration still moves by {moved:.1e}"
    if failed:
        raise NotConvergedError(f"{where(p)}: the {branch} branch was not reached; {failed}")
    raise not_found(p, branch, LOST)


def doubtful(evolution: Evolution, branch: Branch) -> None:
    """Refuse to call a branch absent where the uninformed one cannot do without its overlap: that
    is a failure of the search.

    Raises:
        NotConvergedError: the uninformed branch is unstable to the overlap.
    """
    p = evolution.parameters
    state, moved = _iterate(evolution, "uninformed", next(_starts(p, "uninformed"))[0], 0.25)
    name = "m" if branch == "positional" else "theta"
    grown = growth(evolution, state, M if branch == "positional" else THETA, fresh=True)
    # A quarter: the growth is measured on few points.
    if moved < 0.1 and grown > 1.25:
        raise NotConvergedError(
            f"{where(p)}: no {branch} branch was found, though {name} grows from zero"
            f" ({grown:.2f} times a step); replica symmetry may fail here, or try more points"
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
        moved = float(np.abs(change[free] / scale(evolution.parameters, state)[free]).max())
        state = _admissible(evolution.parameters, state + share * change)
        if moved < 1e-3 or (i % 20 == 19 and not present(evolution.parameters, branch, state)):
            break
    return state, moved


def _admissible(p: TheoryParameters, state: State) -> State:
    """Overlaps that some weights could have: q, V > 0 and theta^2 < sigma^2 q."""
    q, v = max(float(state[Q]), 1e-10), max(float(state[V]), 1e-10)
    bound = 0.9999 * p.sigma * math.sqrt(q)
    return np.array([q, state[M], np.clip(state[THETA], -bound, bound), v])
