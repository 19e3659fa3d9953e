"""The commands `mechprobe theory point | curve | transition | diagram`."""

import json

import click

from mechprobe.analyses.commands.theory.options import (
    ALPHAS,
    BRANCHES,
    CONVENTION,
    DIAGRAM_POINTS,
    GENERAL_POINTS,
    OMEGA,
    POINTS,
    RANGE,
    Branch,
    Convention,
    log2,
    model,
    span,
)
from mechprobe.analyses.common.console import say, tell
from mechprobe.analyses.common.groups import Group, examples


@click.group(cls=Group, epilog=examples("mechprobe theory point --alpha 1.5 --branch semantic"))
def theory() -> None:
    """Solve the theory of the attention model (state evolution, d to infinity)."""


@theory.command(epilog=examples("mechprobe theory point --alpha 1.5 --branch semantic --json"))
@click.option("--alpha", type=float, required=True, help="Samples per dimension.")
@OMEGA
@click.option("--branch", type=click.Choice(BRANCHES), required=True)
@model
@CONVENTION
@log2(None, f" Default {POINTS}; {GENERAL_POINTS} for the general solver.")
@click.option("--L", "L", type=click.IntRange(2, 8), default=2, show_default=True, help="Tokens.")
@click.option("--rank", type=click.IntRange(1, 8), default=1, show_default=True, help="Of Q.")
@click.option(
    "--teacher-rank", type=click.IntRange(1, 8), default=1, show_default=True, help="Of Q*."
)
def point(
    alpha: float, omega: float, branch: Branch, sigma: float, lam: float,
    A: tuple[float, ...] | None, seed: int, as_json: bool, convention: Convention,
    log2_points: int | None, L: int, rank: int, teacher_rank: int,
) -> None:  # fmt: skip
    """Solve one branch: overlaps, errors and losses.

    L above 2 or a rank above 1 take the general solver: accurate to about 1e-2, and at 2^12
    points 10 to 20 s on one core for L=3 or rank 2. Time goes with the points and (L rank)^3.
    """
    from tqdm import tqdm

    from mechprobe.analyses.commands.theory.general import general_object
    from mechprobe.analyses.commands.theory.points import as_object, linear
    from mechprobe.analyses.commands.theory.text import point_text
    from mechprobe.models.theory import TheoryParameters, solve

    mixing = _mixing(A, L)
    if (L, rank, teacher_rank) == (2, 1, 1):
        p = TheoryParameters(alpha, omega, sigma, lam, mixing)
        number = log2_points or POINTS
        solved = solve(p, branch, log2_points=number, seed=seed)
        found = as_object(solved, convention, linear(p, number, seed))
    else:
        p = TheoryParameters(alpha, omega, sigma, lam)
        with tqdm(desc="iterations", leave=False, mininterval=0.5) as bar:
            found = general_object(
                p, mixing, branch, rank=rank, teacher_rank=teacher_rank, convention=convention,
                log2_points=log2_points or GENERAL_POINTS, seed=seed, progress=bar.update,
            )  # fmt: skip
    _print(found if as_json else point_text(found))


@theory.command(epilog=examples("mechprobe theory curve --alphas 0.5:2:16 --branch all"))
@ALPHAS
@OMEGA
@click.option(
    "--branch",
    "branches",
    type=click.Choice([*BRANCHES, "all"]),
    multiple=True,
    default=("semantic", "positional"),
    show_default=True,
    help="May be given several times.",
)
@model
@CONVENTION
@log2(POINTS)
def curve(
    alphas: tuple[float, ...], omega: float, branches: tuple[str, ...], sigma: float, lam: float,
    A: tuple[float, ...] | None, seed: int, as_json: bool, convention: Convention,
    log2_points: int,
) -> None:  # fmt: skip
    """Solve branches along alpha, on all cores."""
    from mechprobe.analyses.commands.theory.points import curve as solve_curve
    from mechprobe.analyses.commands.theory.points import linear, row_object
    from mechprobe.analyses.commands.theory.text import curve_text
    from mechprobe.models.theory import TheoryParameters

    p = TheoryParameters(alphas[0], omega, sigma, lam, _mixing(A, 2))
    wanted = [branch for branch in BRANCHES if branch in branches or "all" in branches]
    rows = solve_curve(p, alphas, wanted, log2_points, seed)
    base = linear(p, log2_points, seed)
    if as_json:
        _print([row_object(row, convention, base) for row in rows])
    else:
        _print(curve_text(rows, convention, base))
    _warn(sum(row.status == "not converged" for row in rows), len(rows))


@theory.command(epilog=examples("mechprobe theory transition --omega 0.3"))
@OMEGA
@model
@log2(POINTS)
def transition(
    omega: float, sigma: float, lam: float, A: tuple[float, ...] | None, seed: int, as_json: bool,
    log2_points: int,
) -> None:  # fmt: skip
    """Find where losses cross, and where branches begin and end.

    alpha_c: the training losses of both branches cross. alpha_l: the minimum beats the linear
    baseline. About a minute at 2^16 points.
    """
    from tqdm import tqdm

    from mechprobe.analyses.commands.theory.points import transitions_object
    from mechprobe.analyses.commands.theory.text import transitions_text
    from mechprobe.models.theory import TheoryParameters, transitions

    p = TheoryParameters(1.0, omega, sigma, lam, _mixing(A, 2))
    # Six stages of unlike length: the bar tells them, an estimate from it would mislead.
    with tqdm(total=6, bar_format="stage {n_fmt} of 6: {desc} ({elapsed})", leave=False) as bar:

        def stage(name: str) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update()
            bar.refresh()

        found = transitions(p, log2_points=log2_points, seed=seed, progress=stage)
    _print(transitions_object(found) if as_json else transitions_text(found))


@theory.command(epilog=examples("mechprobe theory diagram --alphas 0.5:2.5:9 --omegas 0:0.8:9"))
@ALPHAS
@click.option("--omegas", metavar=RANGE, callback=span, required=True, help="Weights of A.")
@model
@log2(DIAGRAM_POINTS)
def diagram(
    alphas: tuple[float, ...], omegas: tuple[float, ...], sigma: float, lam: float,
    A: tuple[float, ...] | None, seed: int, as_json: bool, log2_points: int,
) -> None:  # fmt: skip
    """Find the global minimum in the (alpha, omega) plane.

    On all cores; both transition lines are interpolated between cells.
    """
    from mechprobe.analyses.commands.theory.diagram import as_object
    from mechprobe.analyses.commands.theory.diagram import diagram as solve_diagram
    from mechprobe.analyses.commands.theory.text import diagram_text
    from mechprobe.models.theory import TheoryParameters

    p = TheoryParameters(alphas[0], omegas[0], sigma, lam, _mixing(A, 2))
    found = solve_diagram(p, alphas, omegas, log2_points, seed)
    _print(as_object(found) if as_json else diagram_text(found))
    cells = [cell for across in found.cells for cell in across]
    _warn(sum(cell.minimum is None for cell in cells), len(cells))


def _mixing(entries: tuple[float, ...] | None, L: int) -> tuple[tuple[float, ...], ...]:
    """A as rows; 0.6 on the diagonal and the rest evenly beside it by default."""
    if entries is None:
        from mechprobe.models.tasks import paper_mixing

        return paper_mixing(L)
    if len(entries) != L * L:
        raise click.UsageError(f"--A: {L * L} numbers are wanted for L={L}, not {len(entries)}")
    return tuple(entries[i * L : (i + 1) * L] for i in range(L))


def _print(found: object) -> None:
    text = found if isinstance(found, str) else json.dumps(found, indent=2, allow_nan=False)
    tell(text)


def _warn(unsolved: int, of: int) -> None:
    if unsolved:
        say(f"{unsolved} of {of} were not solved; the output says which")
