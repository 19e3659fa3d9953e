"""Where files are made before they take their place: private folders that a killed writer's
successor knows for what they are and removes."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mechprobe.models.base.locks import Hold, take

OURS = ".mechprobe-"  # how all names begin that we give besides the user's own
PLACE, LOCK = ".part", "lock"


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A new folder within one, gone afterwards; those of writers that were killed go first.

    Nobody but the user may look into it, and a lock in it lives as long as its writer.

    Raises:
        OSError: the folder cannot be written.
    """
    clean(folder)
    place, hold = _begin(folder)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(hold.file)


def clean(folder: Path) -> None:
    """Remove what writers left in a folder that were killed. Living ones are left alone, and so is
    what cannot be told or removed."""
    with suppress(OSError), os.scandir(folder) as entries:
        names = [e.name for e in entries if e.name.startswith(OURS) and e.name.endswith(PLACE)]
        for place in (folder / name for name in names):
            with suppress(OSError):
                _remove_if_dead(place)


def usual_mode(place: Path) -> int:
    """Permissions that the process's mask gives to ordinary files, read off a workplace's lock.

    The mask itself cannot be read without changing it, for other threads too.
    """
    return stat.S_IMODE(os.stat(place / LOCK).st_mode)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's names, are on the disk.

    Raises:
        OSError: of a file, that it is not. Some file systems cannot do this for folders.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError:
        if not stat.S_ISDIR(os.fstat(file).st_mode):
            raise
    finally:
        os.close(file)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, for good.

    Raises:
        OSError: it cannot be made, or a file is in its way.
    """
    missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync(one.parent)


def _begin(folder: Path) -> tuple[Path, Hold]:
    while True:
        place = folder / f"{OURS}{secrets.token_hex(4)}{PLACE}"
        try:
            os.mkdir(place, 0o700)
        except FileExistsError:
            continue
        with suppress(FileNotFoundError):  # taken for a dead one's before it was locked
            hold = take(place / LOCK)
            if hold is not None:
                return place, hold


def _remove_if_dead(place: Path) -> None:
    if not stat.S_ISDIR(os.lstat(place).st_mode):
        return
    hold = take(place / LOCK)
    if hold is None:
        return
    try:
        if hold.sure:
            shutil.rmtree(place)
    finally:
        os.close(hold.file)
