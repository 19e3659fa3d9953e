"""Folders that checkpoints are to be written to: what is there is kept, unless it is to go."""

import os
from pathlib import Path

from mechprobe.models import MechprobeError
from mechprobe.models.base.folders import names_in, refuse_others
from mechprobe.models.base.safe.reading import CONFIG_FILE, WEIGHTS_FILE

__all__ = ["is_free", "refuse_taken"]


def refuse_taken(folder: Path, *, force: bool = False) -> None:
    """Look whether a checkpoint may be written.

    Args:
        folder: for the checkpoint.
        force: whether an older checkpoint of ours may be replaced.

    Raises:
        MechprobeError: something else is there, or a checkpoint without `force`.
    """
    if force:
        refuse_others(folder, {CONFIG_FILE, WEIGHTS_FILE})
    elif not is_free(folder):
        raise MechprobeError(
            f"{folder}: is there already; choose another --out, or replace it with --force"
        )


def is_free(folder: Path) -> bool:
    """Whether nothing is there, or an empty folder.

    Raises:
        MechprobeError: a folder that cannot be read.
    """
    return not os.path.lexists(folder) or (folder.is_dir() and not names_in(folder))
