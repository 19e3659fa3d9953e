"""What the command tells once beside its result: that something of the machine is not as it should
be, and what is done instead."""

_TOLD: dict[str, None] = {}


def notice(text: str) -> None:
    """Have a line told when the command ends; the same line once.

    Lines that differ in what follows their first bracket are the same.
    """
    begin = text.split("(", 1)[0]
    if not any(known.split("(", 1)[0] == begin for known in _TOLD):
        _TOLD[text] = None


def notices() -> list[str]:
    """What is to be told."""
    return list(_TOLD)


def forget() -> None:
    """Begin anew, as a new process does."""
    _TOLD.clear()
