"""Points of the general theory, any L and ranks, as JSON (models/theory/general/solver.py)."""

from collections.abc import Callable

from mechprobe.analyses.commands.theory.options import Convention
from mechprobe.analyses.commands.theory.points import Object, as_quantity, setting
from mechprobe.models.theory import Branch, BranchNotFoundError, NotConvergedError, TheoryParameters
from mechprobe.models.theory.general.evolution import GeneralProblem
from mechprobe.models.theory.general.solver import GeneralPoint, solve_general
from mechprobe.models.theory.parameters import Mixing


def general_object(
    parameters: TheoryParameters,
    A: Mixing,
    branch: Branch,
    *,
    rank: int,
    teacher_rank: int,
    convention: Convention,
    log2_points: int,
    seed: int,
    progress: Callable[[int], object] | None = None,
) -> Object:
    """Solve a point of the general model; its overlaps are matrices.

    Args:
        parameters: alpha, omega, sigma and lam; its A is not used.
        A: row-stochastic L x L mixing matrix.
        branch: which fixed point.
        rank, teacher_rank: columns of Q and Q*.
        convention: of q, theta and V, see `commands.theory.points`.
        log2_points, seed: of the point sets.
        progress: called with 1 after every iteration.

    Raises:
        BranchNotFoundError, NotConvergedError: as `mechprobe.models.theory.solve`.
        MechprobeError: a parameter that no such model can have.
    """
    p = parameters
    problem = GeneralProblem(p.alpha, p.omega, p.lam, (p.sigma,) * len(A), A, rank, teacher_rank)
    point = solve_general(problem, branch, points=2**log2_points, seed=seed, progress=progress)
    where = f"alpha={p.alpha:g}, omega={p.omega:g}, L={len(A)}, rank={rank}"
    if not point.converged:
        raise NotConvergedError(f"{where}: {point.reason}")
    if not point.present:
        raise BranchNotFoundError(f"{where}: {point.reason}")
    return {
        **setting(p),
        "A": [list(weights) for weights in A],
        "L": len(A),
        "rank": rank,
        "teacher_rank": teacher_rank,
        "branch": branch,
        "convention": convention,
        **_overlaps(point, 1.0 if convention == "experiment" else p.sigma**2),
        "mse": as_quantity(point.gen_error, 2.0),
        "gen_error": as_quantity(point.gen_error),
        "train_loss": as_quantity(point.train_loss),
        "residual": point.residual,
        "points": 2**log2_points,
    }


def _overlaps(point: GeneralPoint, scale: float) -> Object:
    """q [r, r], m [r], V [r, r] and theta [r*, r], defined up to rotations of the columns."""
    named = (("q", "R", scale), ("m", "m", 1.0), ("V", "chi", scale), ("theta", "theta", scale))
    found: Object = {}
    for name, part, factor in named:
        value, error = getattr(point.overlaps, part), getattr(point.overlap_errors, part)
        found[name] = {"value": (factor * value).tolist(), "error": (factor * error).tolist()}
    return found
