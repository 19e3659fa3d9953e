"""Snapshots in folders: which there are, of which runs, and that a run is one training."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.analyses.dynamics.runs import TRAINING
from mechprobe.models import HookedTransformer, MechprobeError, Task, load, read_meta
from mechprobe.models.base.files import printable
from mechprobe.models.base.folders import names_in, placed
from mechprobe.models.checkpoints import Settings

STEP = re.compile(r"step-([0-9]+)")
SEED = re.compile(r"seed-([0-9]+)")


def find_runs(path: Path) -> dict[str, dict[int, Path]]:
    """Checkpoints by run and step, runs by seed.

    Raises:
        MechprobeError: no such folder, no snapshots in it, or two of one step.
    """
    if not path.is_dir():
        what = "is a file; give the folder of the run" if path.is_file() else "no such folder"
        raise MechprobeError(f"{path}: {what}")
    alone = _numbered(path, STEP)
    seeds = {} if alone else _numbered(path, SEED)
    runs = {folder.name: _numbered(folder, STEP) for folder in seeds.values()}
    if alone:
        runs = {printable(path.resolve().name) or "run": alone}
    runs = {name: steps for name, steps in runs.items() if steps}
    if not runs:
        raise MechprobeError(
            f"{path}: no snapshots here (step-* checkpoints, or seed-* folders of them);"
            " mechprobe train --snapshots 30 makes them"
        )
    return runs


def task_of(
    path: Path, runs: Mapping[str, Mapping[int, Path]], settings: Settings | None = None
) -> Task:
    """The task of all runs, by the snapshots that can be read.

    Args:
        path: for messages.
        runs: as `find_runs` gives them.
        settings: of the task of all snapshots, as `load` takes them.

    Raises:
        MechprobeError: no snapshot can be read, those of a run are not of one model in one
            training, or runs are of several tasks.
    """
    tasks: dict[str, Task] = {}
    problems: list[str] = []
    for steps in runs.values():
        first: tuple[Path, dict[str, object]] | None = None
        for step, checkpoint in steps.items():
            try:
                model, meta = load(checkpoint, settings), read_meta(checkpoint)
            except MechprobeError as error:  # those who label it will say so
                problems.append(str(error))
                continue
            tasks.setdefault(model.task().name, model.task())
            if (said := meta.get("step", step)) != step:
                raise MechprobeError(f"{checkpoint}: says itself that it is of step {said}")
            now = _identity(model, meta)
            first = first or (checkpoint, now)
            _refuse_other(*first, checkpoint, now)
    if not tasks:
        raise MechprobeError(f"{path}: no snapshot can be read ({problems[0]})")
    if len(tasks) > 1:
        raise MechprobeError(
            f"{path}: runs of several tasks ({', '.join(tasks)}); follow those of each on their own"
        )
    return next(iter(tasks.values()))


def _identity(model: HookedTransformer, meta: Mapping[str, Any]) -> dict[str, object]:
    """What all snapshots of a training have in common."""
    return {
        "family": model.config.family,
        "architecture": model.config.architecture,
        "sizes": model.config.sizes,
        "task": model.task().describe(),
        **{name: meta.get(name) for name in TRAINING},
    }


def _refuse_other(
    first: Path, wanted: Mapping[str, object], other: Path, found: Mapping[str, object]
) -> None:
    for name in wanted:
        if wanted[name] != found[name]:
            raise MechprobeError(
                f"{other}: is of another training than {first.name} ({name}: {found[name]}, not"
                f" {wanted[name]}); keep the snapshots of each in a folder of their own"
            )


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Folders within one whose whole name fits a pattern, by its number."""
    found: dict[int, Path] = {}
    for name in sorted(names_in(folder)):
        if (match := pattern.fullmatch(name)) is None:
            continue
        number = int(match[1])
        if number in found:
            raise MechprobeError(
                f"{folder}: {found[number].name} and {name} are of one number; remove one of them"
            )
        found[number] = placed(folder, name)
    return dict(sorted(found.items()))
