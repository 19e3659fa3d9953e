"""Options that the commands of `mechprobe theory` share."""

from collections.abc import Callable
from typing import Literal, TypeVar, get_args

import click

# As in models.theory, whose import takes longer than a help page may.
Branch = Literal["semantic", "positional", "uninformed"]
BRANCHES: tuple[Branch, ...] = get_args(Branch)
Convention = Literal["experiment", "table"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
MOST = 1000  # values of a range
POINTS, DIAGRAM_POINTS, GENERAL_POINTS = 16, 12, 12

Command = TypeVar("Command", bound=Callable[..., object])


def span(ctx: click.Context, param: click.Parameter, value: str) -> tuple[float, ...]:
    """START:STOP:COUNT as values, evenly spaced, both ends included."""
    try:
        start, stop, count = value.split(":")
        first, last, n = float(start), float(stop), int(count)
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: START:STOP:COUNT is wanted, as in 0.5:2:16", ctx, param
        ) from None
    if not (first < last and 2 <= n <= MOST):
        raise click.BadParameter(
            f"{value!r}: START below STOP and a COUNT from 2 to {MOST} are wanted", ctx, param
        )
    return tuple(first + (last - first) * i / (n - 1) for i in range(n))


def numbers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Numbers with commas in between."""
    if value is None:
        return None
    try:
        return tuple(float(entry) for entry in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: numbers with commas in between are wanted", ctx, param
        ) from None


def model(command: Command) -> Command:
    """Options of every command."""
    options = (
        click.option("--sigma", type=float, default=0.5, show_default=True, help="Of the tokens."),
        click.option("--lam", type=float, default=0.01, show_default=True, help="Ridge penalty."),
        click.option(
            "--A",
            "A",
            metavar="A11,A12,...",
            callback=numbers,
            help="Rows of the positional target; 0.6,0.4,0.4,0.6 by default.",
        ),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def log2(default: int | None, text: str = "") -> Callable[[Command], Command]:
    """The number of points."""
    return click.option(
        "--log2-points",
        type=click.IntRange(8, 22),
        default=default,
        show_default=True,
        help=f"2^N quasi-random points in each of two sets.{text}",
    )


RANGE = "START:STOP:COUNT"
ALPHAS = click.option(
    "--alphas", metavar=RANGE, callback=span, required=True, help="Samples per dimension."
)
OMEGA = click.option("--omega", type=float, default=0.3, show_default=True, help="Weight of A.")
CONVENTION = click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    default="experiment",
    show_default=True,
    help="Of q, theta and V: as measured on weights, or sigma^2 times that (published tables).",
)
