"""What commands say on standard error, and the exit code that goes with it."""

from collections.abc import Iterable

import click


def say(text: str) -> None:
    """One line on standard error."""
    click.echo(f"mechprobe: {' '.join(text.split())}", err=True)


def report_problems(problems: Iterable[str]) -> int:
    """A line for each problem.

    Returns:
        The exit code: 2 where there was a problem, else 0.
    """
    found = list(problems)
    for problem in found:
        say(problem)
    return 2 if found else 0
