"""What fits into this machine's memory, said before the work."""

import os

from mechprobe.models.base.errors import MechprobeError


def memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def refuse_larger(size: float, what: str) -> None:
    """Say before the work what could only fail in it.

    Args:
        size: bytes that it takes.
        what: that takes them, with its sizes, for the message.

    Raises:
        MechprobeError: more than this machine has.
    """
    room = memory()
    if size > room:
        raise MechprobeError(
            f"{what} takes about {size / 2**30:,.1f} GiB of memory, this machine has"
            f" {room / 2**30:.1f}; choose smaller sizes"
        )
