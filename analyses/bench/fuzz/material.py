"""Good folders of every kind that the command reads, small, to be copied and damaged."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mechprobe.analyses.bench.hostile.bases import BASES
from mechprobe.models.families.counting.training.stream import BLOCK
from mechprobe.models.families.counting.training.trainer import KEPT_EVERY

SWEEP = ("sweep", "counting", "--T", "3", "--L", "3", "--d", "2,3", "--p", "2", "--arch", "bos",
         "--steps", "6", "--batch", "4")  # fmt: skip
TRAIN = ("train", "bos", "--T", "3", "--L", "3", "--d", "3", "--p", "2", "--batch", "4")
MODEL = "bos-d2-p2-s0"


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

    Raises:
        RuntimeError: the command failed; says what it printed.
    """
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


# Ends as a kill would end it, as soon as a state stands on the disk.
KILLED = """
import os, sys
from mechprobe.analyses.commands.main import main
from mechprobe.models.families.counting.training import trainer

keep = trainer.keep

def once(*state):
    keep(*state)
    os._exit(9)

trainer.keep = once
main(sys.argv[1:])
"""
STATE_STEPS = KEPT_EVERY + BLOCK


def _stop_training(root: Path) -> None:
    """A training that was killed half-way, its state on the disk."""
    place = root / "state"
    place.mkdir()
    words = [*TRAIN, "--steps", str(STATE_STEPS), "--out", "model"]
    run = [sys.executable, "-c", KILLED, *words]
    done = subprocess.run(run, cwd=place, capture_output=True, env=_environment(), check=False)
    if done.returncode != 9:
        raise RuntimeError(f"mechprobe {' '.join(words)} left no state: {done.stderr.decode()}")


def _call(root: Path, *words: str) -> None:
    done = subprocess.run(
        [*_command(), *words], cwd=root, capture_output=True, text=True, check=False,
        env=_environment(),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"mechprobe {' '.join(words)}: {done.stderr}")


def _command() -> Sequence[str]:
    return (sys.executable, "-m", "mechprobe.analyses.commands.main")


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}
