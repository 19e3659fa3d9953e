"""Everything that is written goes through here: files are whole, or are not there.

A reader never sees half a file, and a failed write leaves the old one, be it for a full disk, a
kill at any moment, or a power failure. Folders of several files: `models/base/folders.py`; tensors:
`models/base/tensor_files.py`.
"""

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.reading import without_waiting
from mechprobe.models.base.workplaces import make_folder, sync, usual_mode, workplace


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write one file elsewhere, wait until it is on the disk, and rename it.

    A symlink is followed; a file that is there passes its permissions on.

    Args:
        path: where the file shall stand; missing parents are made.
        write: is given the temporary path and fills it.

    Raises:
        MechprobeError: the folder cannot be written, the disk is full, or something else than a
            file is there.
    """
    target = Path(os.path.realpath(path))
    with ExitStack() as stack:
        try:
            make_folder(target.parent)
            place = stack.enter_context(workplace(target.parent))
        except OSError as error:
            raise MechprobeError(f"{path}: cannot write here ({error.strerror})") from error
        try:
            temporary = place / target.name
            write(temporary)
            temporary.chmod(_mode(target, usual_mode(place)))
            sync(temporary)
            temporary.replace(target)
            sync(target.parent)
        except OSError as error:
            raise MechprobeError(f"{path}: cannot write ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_whole(path, lambda temporary: put_text(temporary, text))


def put_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file as it goes, for use within a whole write.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(text, encoding="utf-8")


def add_line(path: Path, text: str) -> None:
    """Add a line to a log; a full disk ends no work for it."""
    # Nobody waits for the reader of a pipe.
    with suppress(OSError), open(path, "a", encoding="utf-8", opener=without_waiting) as file:
        file.write(f"{text}\n")


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        MechprobeError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise MechprobeError(f"{path}: cannot be removed ({error.strerror})") from None


def printable(path: str | Path) -> str:
    """A path as text; file names need not be any."""
    return os.fsencode(path).decode("utf-8", "replace")


def refuse_unreadable(path: Path) -> None:
    """Look whether a file, or all files of a folder, can be read now; whole or damaged, or not
    there at all, is no matter.

    Raises:
        MechprobeError: one cannot: it may be whole, and must not be taken for damaged.
    """
    at = path
    try:
        for at in [path] if path.is_file() else sorted(path.iterdir()):
            if at.is_file():
                with at.open("rb") as stream:
                    while stream.read(2**20):
                        pass
    except FileNotFoundError:
        return
    except OSError as error:
        raise MechprobeError(
            f"{at}: cannot be read ({error.strerror or error}); it stays as it is, make it"
            " readable and try again"
        ) from None


def _mode(target: Path, usual: int) -> int:
    """Permissions of a file that takes this place.

    Raises:
        OSError: no file can take it.
    """
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return usual
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "Is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(None, "not a regular file; choose another name")
    return stat.S_IMODE(mode)
