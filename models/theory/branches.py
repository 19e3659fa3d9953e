"""Points of the branches of the state evolution, with their quadrature error (arXiv:2402.03902).

A search on few points finds the branch (search.py); Newton's method on more and more points makes
it exact; a second, independent point set tells the quadrature's error. Where the sets disagree by
more than such an error can be, the point is refused.
"""

import numpy as np
from jaxtyping import Float

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.branch import (
    BRANCHES,
    Branch,
    BranchPoint,
    NotConvergedError,
    PointSetsDisagreeError,
    Quantity,
)
from mechprobe.models.theory.evolution import THETA, Evolution, M, Q, State, V
from mechprobe.models.theory.fixed_point import (
    FREE,
    Solution,
    multipliers,
    newton,
    own_overlap,
    scale,
    where,
)
from mechprobe.models.theory.parameters import TheoryParameters
from mechprobe.models.theory.search import coarse, rough

MOST = 22  # log2 points
APART = 0.5  # distance of two solutions, in units of the overlaps' size, that errors do not make
SPARE = 2**40  # added to a point set's number for the one that replaces it


def solve(
    parameters: TheoryParameters,
    branch: Branch,
    *,
    log2_points: int = 16,
    seed: int = 0,
) -> BranchPoint:
    """Solve the state evolution on a branch.

    Args:
        parameters: of the model.
        branch: which fixed point.
        log2_points: 2^log2_points quasi-random points in each of two sets, 8 to 22.
        seed: of the scrambling; the sets are number 2 seed and 2 seed + 1, each replaced once by
            number + SPARE should it allow no solution.

    Raises:
        BranchNotFoundError: the branch's overlap goes to zero from every start, and the branch
            cannot be followed to here from where it was found.
        NotConvergedError: self-consistency of 1e-6 was not reached.
        PointSetsDisagreeError: the solutions on both sets, or on few and on many points, are too
            far apart to be one.
        MechprobeError: unknown branch or number of points.
    """
    if branch not in BRANCHES:
        raise MechprobeError(f"branch {branch!r} is unknown; choose from {', '.join(BRANCHES)}")
    if not 8 <= log2_points <= MOST:
        raise MechprobeError(f"2^{log2_points} points: between 2^8 and 2^{MOST} are wanted")
    few = coarse(parameters, log2_points)
    first = guess = rough(parameters, branch, log2_points, 2 * seed)
    slope = None
    for log2 in range(min(few + 2, log2_points), log2_points, 3):
        found = newton(Evolution(parameters, log2, 2 * seed), branch, guess)
        guess, slope = found.state, np.eye(len(found.jacobian)) - found.jacobian
    solved = [
        _exact(parameters, branch, guess, slope, log2_points, number)
        for number in (2 * seed, 2 * seed + 1)
    ]
    _compare(parameters, branch, [first, *(solution.state for solution in solved)], log2_points)
    return _assemble(parameters, branch, solved)


def _exact(
    p: TheoryParameters,
    branch: Branch,
    guess: State,
    slope: Float[np.ndarray, "free free"] | None,
    log2: int,
    number: int,
) -> Solution:
    """The fixed point on a set of points, or on its spare: the prox jumps, so that on a finite set
    there need not be one (1 or 2 sets in 100; half of them where the branch begins)."""
    try:
        return newton(Evolution(p, log2, number), branch, guess, slope, exact=True)
    except NotConvergedError:
        return newton(Evolution(p, log2, number + SPARE), branch, guess, exact=True)


def _compare(p: TheoryParameters, branch: Branch, states: list[State], log2: int) -> None:
    """Refuse solutions that are not one: [on few points, on one set, on the other].

    Raises:
        PointSetsDisagreeError: see `solve`.
    """
    few, one, other = (np.abs(state) for state in states)
    unit = scale(p, (one + other) / 2)
    apart = np.abs(one - other) / unit
    astray = np.minimum(np.abs(one - few), np.abs(other - few)) / unit
    # Near its onset a branch's own overlap is small, and may be there on one set only.
    own = [abs(own_overlap(branch, state)) for state in (one, other)]
    unlike = abs(own[0] - own[1]) > 0.25 * sum(own)
    if max(apart.max(), astray.max()) <= APART and not unlike:
        return
    # As measured on weights, whatever convention is asked for.
    name, unit_of, i = {
        "semantic": ("<Q*, Q>/d", p.sigma**2, THETA),
        "positional": ("<1, Q>/d", 1.0, M),
        "uninformed": ("|Q|^2/d", p.sigma**2, Q),
    }[branch]
    values = [f"{state[i] / unit_of:.3g}" for state in (few, one, other)]
    more = f"take 2^{log2 + 2} points or more" if log2 + 2 <= MOST else "try another seed"
    raise PointSetsDisagreeError(
        f"{where(p)}: the point sets disagree on the {branch} branch: {name} is {values[0]} on"
        f" 2^{coarse(p, log2)} points, {values[1]} and {values[2]} on two sets of 2^{log2}; {more}"
    )


def _assemble(p: TheoryParameters, branch: Branch, solved: list[Solution]) -> BranchPoint:
    def both(values: list[float]) -> Quantity:
        one, two = values
        return Quantity((one + two) / 2, abs(one - two) / 2)

    def overlap(i: int) -> Quantity:
        return both([abs(float(s.state[i])) for s in solved])

    def from_step(name: str) -> Quantity:
        return both([float(getattr(s.step, name)) for s in solved])

    def conjugate(name: str, i: int) -> Quantity:
        own = i in FREE[branch]
        return both([abs(float(getattr(s.step, name))) if own else 0.0 for s in solved])

    one, other = (multipliers(solution, branch) for solution in solved)
    verdicts = {max(grown.values()) < 1 for grown in (one, other)}
    return BranchPoint(
        parameters=p,
        branch=branch,
        q=overlap(Q),
        m=overlap(M),
        theta=overlap(THETA),
        V=overlap(V),
        qhat=from_step("qhat"),
        mhat=conjugate("mhat", M),
        thetahat=conjugate("thetahat", THETA),
        Vhat=from_step("Vhat"),
        mse=from_step("mse"),
        train_loss=from_step("energy"),
        multipliers={name: (one[name] + other[name]) / 2 for name in one},
        stable=verdicts.pop() if len(verdicts) == 1 else None,
        two_valleys=float(np.mean([s.step.two_valleys for s in solved])),
        residual=max(s.residual for s in solved),
        points=len(solved[0].evolution.points),
    )
