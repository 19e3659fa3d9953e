"""Options that the commands of studies share, and the command again, as it is typed."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mechprobe.analyses.common.paths import PATH
from mechprobe.models.base.files import printable

__all__ = [
    "big_seed",
    "command_again",
    "mapping",
    "number",
    "out",
    "quick",
    "seed",
    "task",
]

MOST = 1000  # models of a kind

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def out(folder: str, says: str = "Run folder.") -> Callable[[Decorated], Decorated]:
    """`--out`, the run folder.

    Args:
        folder: where nothing else is said.
        says: what it is, for the help.
    """
    return click.option(
        "--out",
        type=PATH,
        default=Path(folder),
        show_default=True,
        help=says,
    )


def quick(says: str = "A first look, a few minutes.") -> Callable[[Decorated], Decorated]:
    """`--quick`, for fewer and smaller models."""
    # Eager: numbers of models depend on it.
    return click.option("--quick", is_flag=True, is_eager=True, help=says)


def seed(
    says: str = "Of the first model of each kind.", default: int = 0
) -> Callable[[Decorated], Decorated]:
    """`--seed`, as far as generators take it."""
    return click.option(
        "--seed", type=click.IntRange(0, 2**31 - 1), default=default, show_default=True, help=says
    )


def big_seed(says: str) -> Callable[[Decorated], Decorated]:
    """`--seed`, of commands that draw with torch alone, which takes large ones."""
    return click.option(
        "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help=says
    )


def task() -> Callable[[Decorated], Decorated]:
    """`--task`, settings of the models' task by name; as `models.load` takes them."""

    def parsed(ctx: click.Context, _: click.Parameter, value: str | None) -> dict[str, Any]:
        if value is None:
            return {}
        from mechprobe.models.base.errors import MechprobeError
        from mechprobe.models.checkpoints import settings_of  # which imports torch

        try:
            return dict(settings_of(value))
        except MechprobeError as error:
            raise click.UsageError(f"--task: {error}", ctx) from None

    return click.option(
        "--task",
        metavar="NAME=VALUE,...",
        callback=parsed,
        help="What the files do not say, or another task: T=32,L=10,sampler=uniform.",
    )


def mapping() -> Callable[[Decorated], Decorated]:
    """`--mapping`, names of a model of one's own: one more setting beside those of `--task`."""

    def named(ctx: click.Context, _: click.Parameter, value: Path | None) -> dict[str, Any]:
        return {} if value is None else {"mapping": str(value)}

    return click.option(
        "--mapping",
        type=PATH,
        callback=named,
        help="TOML file that says which name of your own model is which part.",
    )


def number(
    name: str, what: str, *, full: int, quick: int, least: int = 1
) -> Callable[[Decorated], Decorated]:
    """An option that says how many there are; what it is depends on `--quick` if it is not given.

    Args:
        name: of the option, without dashes.
        what: is counted, for the help.
        full, quick: how many unless asked otherwise.
        least: that makes sense.
    """

    def chosen(ctx: click.Context, _: click.Parameter, value: int | None) -> int:
        usual = quick if ctx.params["quick"] else full
        return usual if value is None else value

    return click.option(
        f"--{name}",
        type=click.IntRange(least, MOST),
        callback=chosen,
        help=f"{what}  [default: {full}; quick: {quick}]",
    )


def command_again() -> str:
    """The command that is running, with the values of all its options, as it can be typed again."""
    context = click.get_current_context()
    words = ["mechprobe", *context.command_path.split()[1:]]
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if value is True:
            words.append(option.opts[0])
        elif value is not None and value is not False:
            words += [option.opts[0], str(value)]
    # Names of folders need not be text; pages are.
    return printable(shlex.join(words))
