"""The one exception the command turns into a single line and exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager


class MechprobeError(ValueError):
    """Bad input: the message says in one line what is wrong, where, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(" ".join(message.splitlines())))


class Ended(SystemExit):
    """This process was asked to end, by a signal or by its parent.

    Code of others that calls `sys.exit` has merely failed; this goes through to the end.
    """


def plain(text: str) -> str:
    """Text that is safe on a terminal: names out of hostile files may hold line breaks and
    escape sequences. Blanks become spaces, other characters that cannot be printed U+FFFD."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def short(text: object, most: int = 100) -> str:
    """The begin of a text, and "..." where it was longer.

    Args:
        text: anything; written as `str` does.
        most: characters, at least 3.
    """
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[: most - 3]}..."


def reason_of(error: BaseException, most: int = 300) -> str:
    """What was raised and what it says, in one line."""
    return short(" ".join(f"{type(error).__name__}: {error}".split()), most)


@contextmanager
def one_line(who: str) -> Iterator[None]:
    """Turn whatever code of others raises into one line that names it.

    Args:
        who: what the message starts with, such as "probe sparsity".

    Raises:
        MechprobeError: in place of any exception that is none.
    """
    try:
        yield
    except MechprobeError:
        raise
    except Exception as error:
        raise MechprobeError(f"{who}: {reason_of(error)}") from error
