"""One case: a copy of something good, damaged or not, and a command line for it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from mechprobe.analyses.bench.fuzz.damage import damage
from mechprobe.analyses.bench.fuzz.lines import command_line
from mechprobe.analyses.bench.fuzz.material import (
    MODEL,
    STATE_STEPS,
    SWEEP,
    TRAIN,
    Material,
)


@dataclass(frozen=True)
class Case:
    """What is run.

    Args:
        kind: which reader it is for.
        told: what was done to the files.
        words: of the command line.
        place: the folder it runs in.
    """

    kind: str
    told: str
    words: tuple[str, ...]
    place: Path

    def __str__(self) -> str:
        words = " ".join(word if len(word) < 60 else f"{word[:57]}..." for word in self.words)
        return f"[{self.kind}] {self.told or 'nothing damaged'}; mechprobe {words}"


def make_case(material: Material, place: Path, main: click.Group, rng: Random) -> Case:
    """Draw a case and write its files.

    Args:
        material: good folders.
        place: a new folder for it.
        main: the command.
        rng: what it draws from.
    """
    place.mkdir(parents=True)
    kind = rng.choice(KINDS)
    if kind == "line":
        return _line(material, place, main, rng)
    if kind == "checkpoint":
        name = rng.choice([path.name for path in material.checkpoints])
        shutil.copytree(material.root / "checkpoints" / name, place / "model")
    else:
        shutil.copytree(material.others[kind], place, dirs_exist_ok=True, symlinks=True)
    told = [damage(place, rng) for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3)))]
    words = rng.choice(COMMANDS[kind](place, material))
    return Case(kind, "; ".join(told), tuple(words), place)


def _line(material: Material, place: Path, main: click.Group, rng: Random) -> Case:
    shutil.copytree(material.checkpoints[0], place / "model")
    for kind in ("run", "sweep", "snapshots", "grid"):
        shutil.copytree(material.others[kind], place, dirs_exist_ok=True, symlinks=True)
    names = ("model", "run", "sweep", "snapshots", "grid.toml", "model/model.safetensors")
    words = command_line(main, [Path(name) for name in names], rng)
    return Case("line", "", tuple(words), place)


GRID = ("sweep", "counting", "--grid", "grid.toml")
Lines = list[tuple[str, ...]]
COMMANDS: dict[str, Callable[[Path, Material], Lines]] = {
    "checkpoint": lambda place, material: [
        ("inspect", "model"),
        ("inspect", "model", "--json"),
        ("label", "model"),
        ("label", "model", "--json"),
    ],
    "run": lambda place, material: [
        ("report", "run"),
        ("report", "run"),
        ("label", str(material.root / "run-model"), "--run", "run"),
    ],
    "sweep": lambda place, material: [
        ("sweep", "status", "sweep"),
        ("sweep", "extract", "sweep", MODEL, "--out", "taken"),
        (*SWEEP, "--out", "sweep"),
    ],
    "snapshots": lambda place, material: [("dynamics", "snapshots", "--out", "followed")],
    "state": lambda place, material: [
        (*TRAIN, "--steps", str(STATE_STEPS), "--out", "model"),
    ],
    "grid": lambda place, material: [(*GRID, "--out", "new")],
}
SHARES = {"checkpoint": 8, "run": 3, "sweep": 4, "snapshots": 2, "state": 2, "grid": 2, "line": 9}
KINDS = tuple(kind for kind, share in SHARES.items() for _ in range(share))
