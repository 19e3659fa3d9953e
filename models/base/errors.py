"""The one exception the command turns into a single line and exit code 2."""


class MechprobeError(ValueError):
    """Bad input: the message says in one line what is wrong, where, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(" ".join(message.splitlines())))


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
