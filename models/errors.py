"""The one exception the command turns into a single line and exit code 2."""


class MechprobeError(ValueError):
    """Bad input: the message says in one line what is wrong, where, and what to do."""

    def __init__(self, message: str) -> None:
        # Names out of hostile files may hold line breaks.
        super().__init__(" ".join(message.splitlines()))
