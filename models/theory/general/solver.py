"""Theory of the solvable attention model beyond two tokens and rank one (arXiv:2402.03902).

The replica-symmetric state evolution for any L, ranks and variances by quasi Monte Carlo, at an
accuracy of about one per cent: slow but right. Equations: general_evolution.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.memory import refuse_larger
from mechprobe.models.base.settled import settled
from mechprobe.models.theory.branch import BRANCHES, Branch, Quantity
from mechprobe.models.theory.general.evolution import (
    GeneralEvolution,
    GeneralProblem,
    Hats,
    Overlaps,
)
from mechprobe.models.theory.general.iteration import Solution, fixed_point

FEW = 2**10  # points, and
SEARCH = 40  # iterations, of the search for a start that leads to the branch
NEAR = 1e-2  # residual of a basin found
_SIZES: dict[Branch, tuple[float, ...]] = {  # overlaps to start from
    "semantic": (0.7, 0.9, 0.4),
    "positional": (0.25, 0.5, 0.12),
    "uninformed": (0.0,),
}
APART = 0.4  # distance of two sets' solutions that errors do not make
PRESENT = 0.1  # overlap, relative to the root of tr R, of a branch that exists


@dataclass(frozen=True)
class GeneralPoint:
    """A fixed point: means over two independent point sets; errors are half the difference.

    For a rank above one it is defined up to rotations of the columns of Q and of Q*, and a
    pinned overlap may be unstable: a student of rank two can carry m and theta at once.

    Args:
        problem, branch: what was solved.
        overlaps, hats: order parameters and their conjugates.
        overlap_errors: of the overlaps.
        gen_error: E |y - f|^2 / (2d) on fresh data.
        train_loss: total training loss / d, ridge included.
        iterations: of both sets together.
        residual: largest self-consistency error of an overlap relative to its size (of m and
            theta relative to the root of tr R), rotations left out; the worse of both sets.
        converged: whether the residual is below the tolerance, and both sets have one solution.
        present: whether the branch's own overlap (m or theta) is above a tenth of the root of
            tr R; if not, the branch does not exist here, or was not found.
        reason: why not converged or present, or "".
    """

    problem: GeneralProblem
    branch: Branch
    overlaps: Overlaps
    overlap_errors: Overlaps
    hats: Hats
    gen_error: Quantity
    train_loss: Quantity
    iterations: int
    residual: float
    converged: bool
    present: bool
    reason: str


@settled()
def solve_general(
    problem: GeneralProblem,
    branch: Branch,
    *,
    points: int = 2**12,
    seed: int = 0,
    tol: float = 1e-4,
    max_iterations: int = 100,
    progress: Callable[[int], object] | None = None,
) -> GeneralPoint:
    """Solve the state evolution on a branch, on two point sets (the second from the first's end).

    Measured on one core with 2^12 points: L = 3, rank one 9 to 17 s; L = 2, ranks two 12 to 22 s.
    At L = 2, rank one (5 to 7 s) it is within 1 % of the accurate solution; errors from only two
    sets are rough.

    Args:
        problem: its parameters.
        branch: "semantic" pins m = 0, "positional" theta = 0, "uninformed" both.
        points: quasi-random points of each set, a power of two from 2^6 to 2^20.
        seed: of the scrambling; the sets are number 2 seed and 2 seed + 1.
        tol: residual of a converged point; few points may not allow it, for the prox jumps.
        max_iterations: on each set.
        progress: called with 1 after every iteration.

    Raises:
        MechprobeError: unknown branch, a number out of range, or more points than fit into memory.
    """
    if branch not in BRANCHES:
        raise MechprobeError(f"branch {branch!r} is unknown; choose from {', '.join(BRANCHES)}")
    if not 2**6 <= points <= 2**20 or points & (points - 1):
        raise MechprobeError(f"points={points}: a power of two from 2^6 to 2^20 is wanted")
    size = len(problem.sigma) * problem.rank
    # The curvature of the prox at every point, and what its factorisation copies.
    refuse_larger(4 * 8 * points * size**2, f"the solver at {points:,} points, L * rank = {size},")
    if seed < 0 or not tol > 0 or max_iterations < 1:
        raise MechprobeError(
            f"seed={seed}, tol={tol}, max_iterations={max_iterations}: a seed from 0, a tolerance"
            " above 0 and at least one iteration are wanted"
        )
    tick = progress or (lambda _: None)
    overlaps = _start(problem, branch, points, seed, tick)
    found = []
    for number in (2 * seed, 2 * seed + 1):
        evolution = GeneralEvolution(problem, branch, points, number)
        found.append(fixed_point(evolution, overlaps, tol, max_iterations, tick))
        overlaps = found[-1].overlaps
    a, b = found
    residual = max(a.residual, b.residual)
    present = _present(branch, a.overlaps) and _present(branch, b.overlaps)
    disagree = _apart(a.overlaps, b.overlaps) > APART
    reason = ""
    if residual > tol:
        reason = (
            f"self-consistent only to {residual:.1e} ({tol:.0e} is wanted) after"
            f" {max_iterations} iterations; try more points"
        )
    elif not present:
        reason = f"the {branch} branch was not found from these starts: its overlap goes to zero"
    elif disagree:
        reason = "the point sets disagree on the solution; try more points"
    return GeneralPoint(
        problem=problem,
        branch=branch,
        overlaps=Overlaps(*((x + y) / 2 for x, y in zip(a.overlaps, b.overlaps, strict=True))),
        overlap_errors=Overlaps(
            *((x - y).abs() / 2 for x, y in zip(a.overlaps, b.overlaps, strict=True))
        ),
        hats=Hats(*((x + y) / 2 for x, y in zip(a.step.hats, b.step.hats, strict=True))),
        gen_error=_both(a.step.gen_error, b.step.gen_error),
        train_loss=_both(a.step.train_loss, b.step.train_loss),
        iterations=a.iterations + b.iterations,
        residual=residual,
        converged=residual <= tol and not disagree,
        present=present,
        reason=reason,
    )


def _apart(one: Overlaps, other: Overlaps) -> float:
    """Distance of two solutions in units of their size; rotations of the columns are none."""

    def sizes(overlaps: Overlaps) -> Float[Tensor, " 4"]:
        length = overlaps.R.trace().sqrt()
        own = [overlaps.m.norm() / length, overlaps.theta.norm() / length]
        return torch.stack([*own, overlaps.R.trace().log(), overlaps.chi.trace().log()])

    return float((sizes(one) - sizes(other)).abs().max())


def _both(a: float, b: float) -> Quantity:
    return Quantity((a + b) / 2, abs(a - b) / 2)


def _start(
    problem: GeneralProblem,
    branch: Branch,
    points: int,
    seed: int,
    tick: Callable[[int], object],
) -> Overlaps:
    """A rough solution on few points with the branch's own overlap; without it if none is met."""
    tries: list[Solution] = []
    for size in _SIZES[branch]:
        evolution = GeneralEvolution(problem, branch, min(FEW, points), 2 * seed)
        rough = fixed_point(evolution, evolution.initial(size), NEAR, SEARCH, tick)
        if _present(branch, rough.overlaps):
            tries.append(rough)
            if rough.residual <= NEAR:
                break
    if not tries:
        return evolution.initial(0.0)
    return min(tries, key=lambda s: s.residual).overlaps


def _present(branch: Branch, overlaps: Overlaps) -> bool:
    own = overlaps.theta if branch == "semantic" else overlaps.m
    return branch == "uninformed" or float(own.norm() / overlaps.R.trace().sqrt()) > PRESENT
