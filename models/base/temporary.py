"""A folder for temporary files where the usual ones cannot be written."""

import os
import tempfile
from pathlib import Path

from mechprobe.models.base.notices import notice

MEMORY = Path("/dev/shm")  # read-only containers have it, too


def find_temporary() -> None:
    """See to a folder for temporary files, for this process and those that it starts.

    torch and matplotlib cannot even be imported without one.
    """
    try:
        tempfile.gettempdir()
    except OSError:
        if os.access(MEMORY, os.W_OK):
            tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)
            notice(
                f"no folder for temporary files can be written; {MEMORY} is used (or set TMPDIR)"
            )
