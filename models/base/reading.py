"""Files are opened for reading here: regular ones alone, and not more of them than was expected.

A pipe would be waited for without end, and a file of gigabytes, be it of nothing, fill the memory.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

RESULT_BYTES = 2**28  # of a stored result; large ones take some megabytes


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, for reading.

    Raises:
        OSError: it is not there, cannot be read, or is a folder, pipe or device.
    """
    with open(path, "rb", opener=without_waiting) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        yield stream


def refuse_odd(path: Path) -> None:
    """Look whether a path is a regular file that can be read; for libraries that open it.

    Raises:
        OSError: as `opened`.
    """
    with opened(path):
        pass


def read_bytes(path: Path, most: int = RESULT_BYTES) -> bytes:
    """What a regular file holds.

    Args:
        path: of the file.
        most: bytes that it may hold.

    Raises:
        OSError: as `opened`, or it holds more.
    """
    with opened(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"Larger than {most:,} bytes", str(path))
    return content


def read_text(path: Path, most: int = RESULT_BYTES) -> str:
    """What a regular file of UTF-8 holds.

    Raises:
        OSError: as `read_bytes`.
        UnicodeDecodeError: it holds other bytes.
    """
    return read_bytes(path, most).decode("utf-8")


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open`, which waits for nobody at the other end of a pipe.

    Args:
        path: of the file; made with the usual permissions where the flags ask for one.
        flags: as `open` hands them down.

    Raises:
        OSError: it cannot be opened, or is a pipe to write to that nobody reads.
    """
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
