"""Follow the mechanism along training runs: label every snapshot, read when it formed."""

import math
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.common.text import columns
from mechprobe.analyses.dynamics.runs import Dynamics, Run, what_to_follow
from mechprobe.analyses.dynamics.tables import history
from mechprobe.analyses.dynamics.words import sentences
from mechprobe.models import MechprobeError, load
from mechprobe.models.base.files import printable
from mechprobe.models.checkpoints import Settings
from mechprobe.models.checkpoints.asking import settings_text
from mechprobe.probes import ModelResult
from mechprobe.probes.formation import Formation, Onset, formation
from mechprobe.probes.reading import TaskReading, reading_of
from mechprobe.probes.snapshots import Snapshot

STEP = re.compile(r"step-(\d+)")
SEED = re.compile(r"seed-(\d+)")
TRAINING = ("steps", "batch", "lr", "schedule", "seed")


def follow(path: Path, out: Path, seed: int, settings: Settings | None = None) -> Dynamics:
    """Label all snapshots of all runs; what was stored before a stop is not done again.

    Args:
        path: holds the step-* checkpoints of one run, or seed-* folders of those.
        out: folder of the results.
        seed: of the probes.
        settings: of the task of all snapshots, as `load` takes them.

    Raises:
        MechprobeError: no runs there, runs of several tasks or of one that is not followed, or
            no snapshot that can be labelled.
    """
    runs = find_runs(path)
    task = tuple((settings or {}).items())
    reading = _reading(path, runs, dict(task))
    probes = what_to_follow(reading).probes
    jobs = {
        (name, step): StudyJob(f"{name}-{checkpoint.name}", checkpoint, out, seed, probes, task)
        for name, steps in runs.items()
        for step, checkpoint in steps.items()
    }
    words = ["mechprobe", "dynamics", str(path), "--out", str(out), "--seed", str(seed)]
    words += ["--task", settings_text(dict(task))] if task else []
    info = run_info("Mechanism along training", printable(shlex.join(words)), seed)
    begin_run(out, info, [job.name for job in jobs.values()])
    results, problems = study_all(list(jobs.values()), "labelling snapshots")
    by_name = {result.name: result for result in results}
    found = {
        name: {
            step: by_name[job.name] for step in steps if (job := jobs[name, step]).name in by_name
        }
        for name, steps in runs.items()
    }
    if not results:
        raise MechprobeError(f"{path}: no snapshot could be labelled ({problems[0]})")
    followed = [_run(name, steps, reading) for name, steps in found.items() if steps]
    return Dynamics(reading, info.command, seed, info.versions, followed, problems)


def find_runs(path: Path) -> dict[str, dict[int, Path]]:
    """Checkpoints by run and step, runs by seed.

    Raises:
        MechprobeError: no such folder, or no snapshots in it.
    """
    if not path.is_dir():
        raise MechprobeError(f"{path}: no such folder")
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


def as_text(run: Run, dynamics: Dynamics) -> str:
    """What `mechprobe dynamics` prints of one run."""
    table = history(run, dynamics, dynamics.followed.columns)
    says = (f"- {sentence}" for sentence in sentences(run.formation, dynamics))
    return "\n".join([run.name, columns([table.head, *table.rows]), *says])


def as_object(dynamics: Dynamics, page: Path) -> dict[str, Any]:
    """What `mechprobe dynamics --json` prints."""
    performance = dynamics.performance.name.replace(" ", "_")
    return {
        "page": printable(str(page)),
        "seed": dynamics.seed,
        "task": dynamics.reading.name,
        "performance": performance,
        "runs": [
            {
                "name": run.name,
                "formation": _formation(run.formation, performance),
                "sentences": sentences(run.formation, dynamics),
                "snapshots": [_plain(one, performance) for one in run.snapshots],
            }
            for run in dynamics.runs
        ],
    }


def _plain(one: Snapshot, performance: str) -> dict[str, Any]:
    items = {
        name: [None if math.isnan(value) else value for value in values.tolist()]
        for name, values in one.items.items()
    }
    return {
        "step": one.step,
        **{axis.name: axis.kind for axis in one.label.axes},
        "confidence": one.label.certainty,
        "leans": one.leans,
        "solved": one.solved,
        performance: one.performance,
        **one.more,
        **items,
        "numbers": one.numbers,
    }


def _formation(found: Formation, performance: str) -> dict[str, Any]:
    """As an object; onsets call the performance by its name."""
    onsets = {name: one for name, one in vars(found).items() if isinstance(one, Onset)}
    return asdict(found) | {
        name: {"step": one.step, "after": one.after, performance: one.performance}
        for name, one in onsets.items()
    }


def _run(name: str, steps: dict[int, ModelResult], reading: TaskReading) -> Run:
    as_snapshot = what_to_follow(reading).snapshot
    snapshots = [as_snapshot(result, step) for step, result in steps.items()]
    return Run(name, _settings(list(steps.values())[-1]), snapshots, formation(snapshots))


def _reading(path: Path, runs: dict[str, dict[int, Path]], settings: Settings) -> TaskReading:
    """Of the task of all runs, by the first snapshot of each."""
    tasks = [load(next(iter(steps.values())), settings).task() for steps in runs.values()]
    names = list(dict.fromkeys(task.name for task in tasks))
    if len(names) > 1:
        raise MechprobeError(
            f"{path}: runs of several tasks ({', '.join(names)}); follow those of each on their own"
        )
    return reading_of(tasks[0])


def _settings(result: ModelResult) -> dict[str, str]:
    sizes = {name: str(size) for name, size in result.sizes.items()}
    training = {name: str(result.meta[name]) for name in TRAINING if name in result.meta}
    return {"architecture": result.architecture, **sizes, **training}


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Folders within one whose whole name fits a pattern, by its number."""
    try:
        matches = [(pattern.fullmatch(entry.name), entry) for entry in folder.iterdir()]
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot be read ({error.strerror})") from None
    return dict(sorted((int(match[1]), entry) for match, entry in matches if match))
