"""Points of the branches of the state evolution, with their quadrature error (arXiv:2402.03902).

A coarse damped iteration on few points finds the basin; Newton's method on more and more points
makes it exact; a second, independent point set tells the quadrature's error.
"""

import numpy as np
from jaxtyping import Float

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.branch import (
    BRANCHES,
    Branch,
    BranchPoint,
    NotConvergedError,
    Quantity,
)
from mechprobe.models.theory.evolution import THETA, Evolution, M, Q, State, V
from mechprobe.models.theory.fixed_point import FREE, Solution, absent, basin, multipliers, newton
from mechprobe.models.theory.parameters import TheoryParameters

FEW = 11  # log2 points of the search for the basin
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
        BranchAbsentError: the branch's overlap goes to zero here.
        NotConvergedError: self-consistency of 1e-6 was not reached.
        MechprobeError: unknown branch or number of points.
    """
    if branch not in BRANCHES:
        raise MechprobeError(f"branch {branch!r} is unknown; choose from {', '.join(BRANCHES)}")
    if not 8 <= log2_points <= 22:
        raise MechprobeError(f"2^{log2_points} points: between 2^8 and 2^22 are wanted")
    few = min(FEW, log2_points)
    guess = basin(Evolution(parameters, few, 2 * seed), branch)
    slope = None
    for log2 in range(min(few + 2, log2_points), log2_points, 3):
        found = newton(Evolution(parameters, log2, 2 * seed), branch, guess)
        guess, slope = found.state, np.eye(len(found.jacobian)) - found.jacobian
    solved = [
        _exact(parameters, branch, guess, slope, log2_points, number)
        for number in (2 * seed, 2 * seed + 1)
    ]
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
    own = {"positional": M, "semantic": THETA}.get(branch)
    if own is not None and overlap(own).error > 0.25 * overlap(own).value:
        raise absent(p, branch)
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
        two_valleys=float(np.mean([s.step.two_valleys for s in solved])),
        residual=max(s.residual for s in solved),
        points=len(solved[0].evolution.points),
    )
