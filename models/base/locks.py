"""Locks that one process holds at a time; the system frees them when it ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from mechprobe.models.base.errors import MechprobeError

PID_BYTES = 20


class Hold(NamedTuple):
    """An open lock file.

    Args:
        file: its descriptor; to close it is to let go.
        sure: whether it is locked; not so on file systems that know no locks.
    """

    file: int
    sure: bool


@contextmanager
def alone(path: Path, what: Path) -> Iterator[None]:
    """Hold a lock file, which names this process; it is gone afterwards.

    Args:
        path: of the lock file, in a folder that is there.
        what: is held by it, for messages.

    Raises:
        MechprobeError: another process holds it, or it cannot be written.
    """
    try:
        hold = take(path)
    except OSError as error:
        raise MechprobeError(f"{what}: cannot write here ({error.strerror})") from None
    if hold is None:
        raise MechprobeError(
            f"{what}: {_holder(path)} is at work here; wait for it to end or choose another folder"
        )
    try:
        with suppress(OSError):  # the name is for messages; the lock holds on a full disk too
            os.ftruncate(hold.file, 0)
            os.write(hold.file, f"{os.getpid()}\n".encode())
        yield
    finally:
        # While it is held: whoever opened it before finds it gone and makes another one.
        with suppress(OSError):
            os.unlink(path)
        os.close(hold.file)


def take(path: Path) -> Hold | None:
    """Open a lock file, made where there is none, and lock it; None where another has it.

    Raises:
        OSError: it cannot be opened.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            sure = _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        if not sure or _is_at(file, path):
            return Hold(file, sure)
        os.close(file)  # its last holder removed it meanwhile


@contextmanager
def held(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a folder itself for a moment, and wait for whoever does; nothing is written.

    A folder that cannot be opened or locked is not held: whoever reads or writes it will say so.

    Args:
        folder: that readers hold shared, and alone whoever changes several files in it.
        shared: with other readers.
    """
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError):
        yield
        return
    try:
        _lock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _lock(file: int, how: int) -> bool:
    """Whether it is locked now; False where the file system knows no locks."""
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except OSError:
        return False


def _holder(path: Path) -> str:
    try:
        pid = int(path.read_bytes()[:PID_BYTES])
    except (OSError, ValueError):
        return "another command"
    return f"another command (process {pid})"
