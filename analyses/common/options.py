"""What the commands of studies share: their options, the command again, their exit codes."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mechprobe.models import MechprobeError

LARGEST = 1000  # models of a kind


@dataclass(frozen=True)
class Number:
    """An option that says how many models are trained.

    Args:
        what: models of what, for the help.
        full, quick: how many unless asked otherwise.
        least: that make sense.
    """

    what: str
    full: int
    quick: int
    least: int = 1


@dataclass(frozen=True)
class Asked:
    """What a command asks for: its run folder, its budget (quick, or the paper's), its numbers of
    models by name, the first seed, and the command in full."""

    out: Path
    quick: bool
    published: bool
    numbers: dict[str, int]
    seed: int
    command: str


def ask(
    name: str,
    description: str,
    numbers: Mapping[str, Number],
    arguments: Sequence[str] | None = None,
    published: str | None = None,
) -> Asked:
    """Read the options `--out`, `--quick`, `--seed` and one for each number.

    Args:
        name: of the module in `analyses`, and of the usual folder in runs/.
        description: for the help.
        numbers: by the option's name, without dashes.
        arguments: of the shell, unless given.
        published: help for `--published`, the paper's own budget; without it there is no such
            option.

    Raises:
        MechprobeError: a number is out of its range.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path(f"runs/{name}"), help="run folder")
    for option, number in numbers.items():
        says = f"{number.what} ({number.full}; quick {number.quick})"
        parser.add_argument(f"--{option}", type=int, help=says)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--quick", action="store_true", help="a first look, few minutes")
    if published is not None:
        budget.add_argument("--published", action="store_true", help=published)
    parser.add_argument("--seed", type=int, default=0, help="of the first model of each kind")
    options = parser.parse_args(arguments)
    words = ["python", "-m", f"analyses.{name}", "--out", str(options.out)]
    chosen = {}
    for option, number in numbers.items():
        given = getattr(options, option)
        n = (number.quick if options.quick else number.full) if given is None else given
        if not number.least <= n <= LARGEST:
            raise MechprobeError(f"--{option} {n}: between {number.least} and {LARGEST} are wanted")
        chosen[option] = n
        words += [f"--{option}", str(n)]
    check_seed(options.seed)
    papers = published is not None and options.published
    words += ["--quick"] * options.quick + ["--published"] * papers
    command = shlex.join([*words, "--seed", str(options.seed)])
    return Asked(options.out, options.quick, papers, chosen, options.seed, command)


def check_seed(seed: int) -> None:
    """Refuse what generators do not take.

    Raises:
        MechprobeError: it is negative or too large.
    """
    if not 0 <= seed < 2**31:
        raise MechprobeError(f"--seed {seed}: a number from 0 to 2^31 - 1 is wanted")


@contextmanager
def exit_codes() -> Iterator[None]:
    """Leave with one line for a reader and exit code 2 for bad input, 130 if stopped."""
    try:
        yield
    except MechprobeError as error:
        print(f"mechprobe: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mechprobe: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)
