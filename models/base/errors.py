"""The one exception the command turns into a single line and exit code 2, and what lines may hold.

Names come out of hostile files and out of accidents in a shell: what is printed of them is
printable and bounded, whoever made them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WORD = 300  # characters of a path or name in a message; more is cut in the middle
LONGEST = 2000  # of a whole message
ASKED = re.compile(
    r"(\d+) bytes|Unable to allocate ([\d.]+ [KMGTPE]iB)"
)  # torch's and numpy's words


class MechprobeError(ValueError):
    """Bad input: the message says in one line what is wrong, where, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(bounded(plain(" ".join(message.splitlines()))))


class Ended(SystemExit):
    """This process was asked to end, by a signal or by its parent.

    Code of others that calls `sys.exit` has merely failed; this goes through to the end.
    """


def plain(text: str) -> str:
    """Text that is safe on a terminal: names out of hostile files may hold line breaks and
    escape sequences. Blanks become spaces, other characters that cannot be printed U+FFFD; those
    that turn the direction of writing or take no room are among them."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def bounded(text: str) -> str:
    """A line whose long words, and itself, are cut in the middle: where it begins it says what it
    is about, and where it ends what to do."""
    if len(text) <= LONGEST_WORD:
        return text
    words = (_cut(word, LONGEST_WORD) for word in text.split(" "))
    return _cut(" ".join(words), LONGEST)


def begins_with(text: str, name: object) -> bool:
    """Whether a message begins with a name, as messages show it.

    Args:
        text: of a MechprobeError.
        name: such as a path.
    """
    shown = plain(" ".join(str(name).splitlines()))
    # Of a longer one the begin is kept in any case.
    return text.startswith(shown[: LONGEST_WORD // 3])


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
    if (lacking := out_of_memory(error)) is not None:
        return lacking
    try:
        said = str(error)
    except Exception:  # a foreign exception may fail even here
        said = ""
    return short(" ".join(f"{type(error).__name__}: {said}".split()), most)


def out_of_memory(error: BaseException) -> str | None:
    """What to say of an error that means that memory ran out; None of any other.

    numpy raises MemoryError, torch RuntimeError with words of its own.
    """
    text = str(error)
    torchs = isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "out of memory" in text
    )
    if not (isinstance(error, MemoryError) or torchs):
        return None
    asked = ASKED.search(text)
    if asked is None:
        return "out of memory; use a smaller model or a machine with more"
    size = asked[2] or f"{int(asked[1]) / 2**30:.1f} GiB"
    return f"out of memory ({size} asked for at once); use a smaller model or a machine with more"


def reason_of_os(error: OSError) -> str:
    """What the system says of a file, in one line that names it."""
    if error.filename is None:
        return reason_of(error) if error.strerror is None else error.strerror
    return f"{_name(error.filename)}: cannot be used ({error.strerror or reason_of(error)})"


@contextmanager
def one_line(who: str) -> Iterator[None]:
    """Turn whatever code of others raises into one line that names it.

    `sys.exit` is a failure like any other; Ctrl-C stays what it is.

    Args:
        who: what the message starts with, such as "probe sparsity".

    Raises:
        MechprobeError: in place of any exception that is none.
    """
    try:
        yield
    except (MechprobeError, KeyboardInterrupt, Ended):
        raise
    except BaseException as error:
        raise MechprobeError(f"{who}: {reason_of(error)}") from error


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def _name(filename: object) -> str:
    return filename.decode("utf-8", "replace") if isinstance(filename, bytes) else str(filename)
