"""The theory of the solvable attention model for the command: points and curves, as JSON.

Two conventions. "experiment": overlaps as measured on weights, q = |Q|^2/d, theta = <Q*, Q>/d,
V = 1/(lam + Vhat). "table": those of the published tables (arXiv:2402.03902), where q, theta and V
carry a factor sigma^2 and their conjugates a factor 1/sigma^2 (every product of a pair is the
same in both). m, mhat, losses and errors are the same in both; mse = 2 gen_error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mechprobe.analyses.commands.theory.options import CONVENTIONS, Convention
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.parallel import run_all
from mechprobe.models.theory import (
    Branch,
    BranchNotFoundError,
    BranchPoint,
    NotConvergedError,
    Quantity,
    TheoryParameters,
    Transitions,
    linear_mse,
    solve,
)

Status = Literal["solved", "not found", "not converged"]
Object = dict[str, object]

# Power of sigma that takes a quantity from the theory's convention to the experiments'.
_POWERS = {"q": -2, "theta": -2, "V": -2, "qhat": 2, "thetahat": 2, "Vhat": 2}
_NAMES = ("q", "m", "V", "theta", "mse", "gen_error", "train_loss")
_HATS = ("qhat", "mhat", "thetahat", "Vhat")


@dataclass(frozen=True)
class Row:
    """One branch at one setting, solved or not.

    Args:
        parameters, branch: what was asked.
        status: "not found" where neither the starts nor a way from elsewhere led to the branch.
        point: None unless solved.
        message: why not solved, or "".
    """

    parameters: TheoryParameters
    branch: Branch
    status: Status
    point: BranchPoint | None
    message: str = ""


@dataclass(frozen=True)
class _Job:
    parameters: TheoryParameters
    branch: Branch
    log2_points: int
    seed: int


def row(job: _Job) -> Row:
    """Solve one job; a branch that is not there, or not solved, is said in the row."""
    p, branch = job.parameters, job.branch
    try:
        point = solve(p, branch, log2_points=job.log2_points, seed=job.seed)
    except BranchNotFoundError as error:
        return Row(p, branch, "not found", None, str(error))
    except NotConvergedError as error:
        return Row(p, branch, "not converged", None, str(error))
    return Row(p, branch, "solved", point)


def rows(
    settings: Sequence[TheoryParameters],
    branches: Sequence[Branch],
    log2_points: int = 16,
    seed: int = 0,
    title: str = "theory",
) -> list[Row]:
    """Every branch at every setting, on all cores; each by itself, so that no result depends on
    which others are asked for.

    Args:
        settings: of the model.
        branches: at each setting.
        log2_points, seed: as `mechprobe.models.theory.solve`.
        title: of the progress bar.

    Returns:
        A row for each setting and branch, branches of one setting together.
    """
    jobs = [_Job(p, branch, log2_points, seed) for p in settings for branch in branches]
    done = dict(run_all(row, jobs, title))
    return [done[job] for job in jobs]


def curve(
    parameters: TheoryParameters,
    alphas: Sequence[float],
    branches: Sequence[Branch],
    log2_points: int = 16,
    seed: int = 0,
) -> list[Row]:
    """Branches along alpha; see `rows`. The alpha in `parameters` is not used.

    Raises:
        MechprobeError: an alpha that no model can have.
    """
    settings = [parameters.at(alpha=alpha) for alpha in alphas]
    return rows(settings, branches, log2_points, seed, f"{len(settings)} values of alpha")


def linear(parameters: TheoryParameters, log2_points: int, seed: int) -> Quantity:
    """E |y - W x|^2 / d of the dense linear (positional) baseline, on both point sets."""
    one, two = (linear_mse(parameters, log2_points, number) for number in (2 * seed, 2 * seed + 1))
    return Quantity((one + two) / 2, abs(one - two) / 2)


def as_quantity(quantity: Quantity | None, factor: float = 1.0) -> dict[str, float] | None:
    """{"value", "error"}, both times `factor`."""
    if quantity is None:
        return None
    return {"value": quantity.value * factor, "error": quantity.error * factor}


def setting(parameters: TheoryParameters) -> Object:
    """The parameters as JSON."""
    p = parameters
    A = [list(weights) for weights in p.A]
    return {"alpha": p.alpha, "omega": p.omega, "sigma": p.sigma, "lam": p.lam, "A": A}


def as_object(
    point: BranchPoint, convention: Convention = "experiment", baseline: Quantity | None = None
) -> Object:
    """A solved point as JSON; every quantity is {"value", "error"}.

    Args:
        point: of a branch.
        convention: of q, theta, V and their conjugates (see the module).
        baseline: linear baseline's mse, put in as "linear_mse".

    Raises:
        MechprobeError: unknown convention.
    """
    if convention not in CONVENTIONS:
        raise MechprobeError(
            f"convention {convention!r} is unknown; choose from {', '.join(CONVENTIONS)}"
        )
    sigma = point.parameters.sigma if convention == "experiment" else 1.0
    quantities = {
        name: as_quantity(getattr(point, name), sigma ** _POWERS.get(name, 0))
        for name in (*_NAMES, *_HATS)
    }
    extra = {} if baseline is None else {"linear_mse": as_quantity(baseline)}
    return {
        **setting(point.parameters),
        "branch": point.branch,
        "convention": convention,
        **quantities,
        **extra,
        "stable": point.stable,
        "multipliers": point.multipliers,
        "two_valleys": point.two_valleys,
        "residual": point.residual,
        "points": point.points,
    }


def row_object(row: Row, convention: Convention, baseline: Quantity | None) -> Object:
    """A row as JSON: "status" and the point, or "status" and "message" without any number."""
    if row.point is not None:
        return {"status": row.status, **as_object(row.point, convention, baseline)}
    return {
        "status": row.status,
        **setting(row.parameters),
        "branch": row.branch,
        "message": row.message,
    }


def transitions_object(found: Transitions) -> Object:
    """Transitions as JSON; None where there is none in the range searched (see "notes")."""
    parameters = setting(found.parameters)
    del parameters["alpha"]
    return {
        **parameters,
        "alpha_c": as_quantity(found.alpha_c),
        "alpha_l": as_quantity(found.alpha_l),
        "appears": {branch: as_quantity(found.appears[branch]) for branch in found.appears},
        "vanishes": {branch: as_quantity(found.vanishes[branch]) for branch in found.vanishes},
        "linear_mse": found.linear_mse,
        "span": list(found.span),
        "notes": found.notes,
    }
