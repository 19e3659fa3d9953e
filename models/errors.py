"""The one exception the command turns into a single line and exit code 2."""


class MechprobeError(ValueError):
    """Bad input: the message says in one line what is wrong, where, and what to do."""
