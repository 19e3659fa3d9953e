"""Good folders of every kind that the command reads, small, to be copied and damaged."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mechprobe.analyses.bench.fuzz.children import run_command
from mechprobe.analyses.bench.hostile.bases import BASES
from mechprobe.models.families.counting.training import trainer
from mechprobe.models.families.counting.training.kept import keep
from mechprobe.models.families.counting.training.stream import BLOCK
from mechprobe.models.families.counting.training.trainer import KEPT_EVERY

SWEEP = ("sweep", "counting", "--T", "3", "--L", "3", "--d", "2,3", "--p", "2", "--arch", "bos",
         "--steps", "6", "--batch", "4")  # fmt: skip
TRAIN = ("train", "bos", "--T", "3", "--L", "3", "--d", "3", "--p", "2", "--batch", "4")
MODEL = "bos-d2-p2-s0"
PATIENCE = 300.0  # seconds until a call is held to hang


@dataclass(frozen=True)
class Material:
    """What cases are made from.

    Args:
        root: holds every folder.
    """

    root: Path

    @property
    def checkpoints(self) -> list[Path]:
        """One of every format and family."""
        return sorted((self.root / "checkpoints").iterdir())

    @property
    def others(self) -> dict[str, Path]:
        """Folders of the other kinds, by kind."""
        return {name: self.root / name for name in ("run", "sweep", "snapshots", "state", "grid")}


def make_material(root: Path) -> Material:
    """Write one of everything below a new folder, by the command itself.

    Args:
        root: the folder; `out` and `err`, in it and beside it, hold what the command printed.

    Raises:
        RuntimeError: the command failed; says what it printed.
    """
    root.mkdir()
    for base in BASES[:-1]:  # the last is the one before it, for another file
        base.make(root / "checkpoints" / base.name)
    _call(root, "construct", "bos+sftm", "--T", "3", "--L", "3", "--out", "checkpoints/constructed")
    _call(root, "construct", "dot", "--T", "3", "--L", "3", "--out", "run-model")
    _call(root, "label", "run-model", "--run", "run/run")
    _call(root, *SWEEP, "--out", "sweep/sweep")
    _call(root, *TRAIN, "--steps", "8", "--snapshots", "3", "--out", "snapshots/snapshots")
    _stop_training(root)
    grid = 'T = 3\nL = 3\nd = [2, 3]\np = [2]\narch = ["bos"]\nseeds = 1\n'
    (root / "grid").mkdir()
    (root / "grid" / "grid.toml").write_text(grid)
    return Material(root)


STATE_STEPS = KEPT_EVERY + BLOCK
KILLED = 9


def _stop_training(root: Path) -> None:
    """A training that ended as a kill would end it, as soon as a state stood on the disk."""
    place = root / "state"
    place.mkdir()

    def keep_once(*state: Any) -> None:
        keep(*state)
        os._exit(KILLED)

    with patch.object(trainer, "keep", keep_once):  # for the fork
        _call(place, *TRAIN, "--steps", str(STATE_STEPS), "--out", "model", code=KILLED)


def _call(place: Path, *words: str, code: int = 0) -> None:
    ran = run_command(words, place, PATIENCE)
    if ran.code != code:
        raise RuntimeError(f"mechprobe {' '.join(words)} ended with {ran.code}: {ran.err}")
