"""Files of a checkpoint folder: regular ones that lie in it."""

import os
import stat
from pathlib import Path

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.folders import placed

# Files of our own checkpoints, and what makes one a foreign model's.
CONFIG_FILE, WEIGHTS_FILE, TASK_FILE = "config.json", "model.safetensors", "task.json"
# In place of the weights' file, where they are split into several.
INDEX_FILE = "model.safetensors.index.json"


def has(folder: Path, name: str) -> bool:
    """Whether a folder has an entry of this name, of whatever kind."""
    return os.path.lexists(placed(folder, name))


def inside(folder: Path, name: str) -> Path:
    """The path of a regular file that lies in a folder, for reading.

    The folder itself may be a symlink; a file in it may be one only if it stays inside.

    Raises:
        MechprobeError: no such file, not a regular one (a folder, pipe or device), a symlink that
            leads out of the folder, or one that may not be read.
    """
    file = placed(folder, name)
    home, target = os.path.realpath(folder), os.path.realpath(file)
    if not target.startswith(os.path.join(home, "")):
        raise MechprobeError(
            f"{file}: is a symlink that leads out of the folder and is not followed; copy the file"
        )
    try:
        kind = os.stat(file).st_mode
    except FileNotFoundError:
        raise MechprobeError(f"{file}: no such file") from None
    except OSError as error:
        raise MechprobeError(f"{file}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(kind):
        raise MechprobeError(f"{file}: is not a regular file")
    if not os.access(file, os.R_OK):
        raise MechprobeError(f"{file}: cannot be read (Permission denied)")
    return file
