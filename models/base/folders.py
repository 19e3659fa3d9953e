"""Folders that change as a whole: a reader finds what was there before, or all that is new.

A folder that is not there yet is made beside its place and renamed. One that is there stays (it may
be a mount, a link's target or somebody's working directory, with permissions of its own): the new
files are gathered in it, renamed together (from here on they count), and moved to their places one
by one. Whoever is killed among these moves leaves the rest for readers to find, and for the next
writer to move.
"""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.locks import alone, held
from mechprobe.models.base.workplaces import (
    OURS,
    clean,
    make_folder,
    sync,
    usual_mode,
    workplace,
)

HELD = f"{OURS}lock"
COMPLETE = f"{OURS}complete"  # holds files that count already, and are to be moved up


@contextmanager
def whole_folder(path: Path, replaces: Collection[str] = ()) -> Iterator[Path]:
    """Fill a temporary folder; on success all it holds stands in `path`, on failure nothing does.

    It survives a kill at any moment, and a power failure. A symlink is followed; a folder that is
    there keeps its permissions.

    Args:
        path: of the folder. What it holds already is left alone.
        replaces: names of files that may be there, and that new ones of the same names replace.

    Raises:
        MechprobeError: the folder holds other files or cannot be written, the disk is full, or
            `path` is a file.
    """
    target = Path(os.path.realpath(path))
    refuse_others(path, replaces)
    with ExitStack() as stack:
        try:
            there = target.is_dir()
            make_folder(target.parent)
            clean(target.parent)
            place = stack.enter_context(workplace(target if there else target.parent))
        except OSError as error:
            raise MechprobeError(f"{path}: cannot write here ({error.strerror})") from error
        try:
            new = place / "new"
            new.mkdir()
            yield new
            _finish(new, usual_mode(place))
            if not _moved(new, target):
                with held(target):
                    _move_up(target)
                    refuse_others(path, replaces)
                    _keep_modes(new, target)
                    new.rename(target / COMPLETE)
                    sync(target)
                    _move_up(target)
        except OSError as error:
            raise MechprobeError(f"{path}: cannot write ({error.strerror or error})") from error


@contextmanager
def folder_alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other commands; made where it is not there, and gone again if nothing
    was written.

    Raises:
        MechprobeError: another command holds it, it cannot be written, or is a file.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise MechprobeError(f"{folder}: is a file, a folder is wanted; choose another name")
        there = folder.is_dir()
        make_folder(folder)
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot write here ({error.strerror})") from None
    try:
        with alone(folder / HELD, folder):
            yield
    finally:
        if not there:
            with suppress(OSError):  # not empty
                folder.rmdir()


def refuse_others(path: Path, known: Collection[str] = ()) -> None:
    """Look whether a folder is free for files of ours.

    Args:
        path: of the folder; it need not be there.
        known: names that it may hold.

    Raises:
        MechprobeError: it holds others, cannot be read, or is a file.
    """
    if not os.path.lexists(path):
        return
    if os.path.exists(path) and not os.path.isdir(path):
        raise MechprobeError(f"{path}: is a file, a folder is wanted; choose another name")
    if names_in(path) - set(known):
        raise MechprobeError(f"{path}: holds other files; choose an empty or new folder")


def names_in(folder: Path) -> set[str]:
    """What a folder holds beside files of passing use of ours; nothing where there is no folder.

    Raises:
        MechprobeError: it cannot be read.
    """
    try:
        names = set(os.listdir(folder))
        if COMPLETE in names:
            names |= set(os.listdir(folder / COMPLETE))
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot be read ({error.strerror})") from None
    return {name for name in names if not name.startswith(OURS)}


def settle(folder: Path) -> None:
    """Move up what a writer that was killed left to be moved.

    Raises:
        MechprobeError: it cannot be moved.
    """
    try:
        with held(folder):
            _move_up(folder)
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot write here ({error.strerror})") from None


def placed(folder: Path, name: str) -> Path:
    """Where a file of a folder lies, for reading: elsewhere where its writer was killed while it
    moved files that count already."""
    coming = folder / COMPLETE / name
    return coming if os.path.lexists(coming) else folder / name


def _moved(new: Path, target: Path) -> bool:
    """Rename to a place where nothing is; False where a folder is there."""
    if target.is_dir():
        return False
    new.rename(target)
    sync(target.parent)
    return True


def _move_up(target: Path) -> None:
    """Finish what this or a killed writer began."""
    complete = target / COMPLETE
    if not os.path.lexists(complete) or not stat.S_ISDIR(os.lstat(complete).st_mode):
        return
    for name in sorted(os.listdir(complete)):
        (complete / name).replace(target / name)
    sync(target)
    complete.rmdir()


def _keep_modes(new: Path, target: Path) -> None:
    for file in new.iterdir():
        with suppress(FileNotFoundError):
            file.chmod(stat.S_IMODE(os.stat(target / file.name).st_mode))


def _finish(new: Path, mode: int) -> None:
    """Give files the usual permissions (libraries make some private), and wait for the disk."""
    for home, _, files in os.walk(new):
        for file in (Path(home) / name for name in files):
            file.chmod(mode)
            sync(file)
        sync(Path(home))
