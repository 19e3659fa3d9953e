"""What commands say, printable whatever a name holds, and the exit code that goes with it."""

from collections.abc import Iterable

import click

from mechprobe.models.base.errors import bounded, plain
from mechprobe.models.base.notices import notices
from mechprobe.models.base.registry import problems_met

_SAID: set[str] = set()  # problems of this command


def tell(text: str) -> None:
    """Lines on standard output."""
    click.echo("\n".join(plain(line) for line in text.split("\n")))


def say(text: str) -> None:
    """One line on standard error, of bounded length."""
    click.echo(f"mechprobe: {bounded(plain(' '.join(text.split())))}", err=True)


def report_broken_packages() -> None:
    """A line for each installed package that a command met and could not load, unless it stands
    there already, and for what else it has to tell of the machine."""
    for problem in (*problems_met(), *notices()):
        if problem not in _SAID:
            say(problem)


def report_problems(problems: Iterable[str]) -> int:
    """A line for each problem.

    Returns:
        The exit code: 2 where there was a problem, else 0.
    """
    found = list(problems)
    for problem in found:
        say(problem)
    _SAID.update(found)
    return 2 if found else 0
