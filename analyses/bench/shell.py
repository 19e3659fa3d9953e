"""What benchmarks that are run as modules have in common: one line for what is wrong, code 2."""

import argparse
import sys
from collections.abc import Callable

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import reason_of_os


def from_shell(main: Callable[[], None]) -> None:
    """Run a benchmark; bad input ends it with a line and exit code 2."""
    try:
        main()
    except MechprobeError as error:
        _fail(str(error))
    except OSError as error:  # whichever file it is
        _fail(reason_of_os(error))


def _fail(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)


def positive(text: str) -> int:
    """A whole number of at least 1, as a type of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least 1 is wanted")
    return int(text)
