"""Follow the mechanism along training runs: label every snapshot, read when it formed."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.names import place_of
from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.common.text import columns
from mechprobe.analyses.dynamics.finding import find_runs, task_of
from mechprobe.analyses.dynamics.learning import Learned, LearningJob, estimate_all, learned
from mechprobe.analyses.dynamics.runs import TRAINING, Dynamics, Run, what_to_follow
from mechprobe.analyses.dynamics.tables import history
from mechprobe.analyses.dynamics.words import told
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import printable
from mechprobe.models.checkpoints import Settings
from mechprobe.models.checkpoints.asking import settings_text
from mechprobe.probes import ModelResult
from mechprobe.probes.change_points import Changes, changes_of
from mechprobe.probes.draws import generator
from mechprobe.probes.followed import Followed
from mechprobe.probes.formation import Formation, Onset, formation
from mechprobe.probes.reading import reading_of
from mechprobe.probes.snapshots import Snapshot


def follow(
    path: Path, out: Path, seed: int, settings: Settings | None = None, learning: bool = False
) -> Dynamics:
    """Label all snapshots of all runs; what was stored before a stop is not done again.

    Args:
        path: holds the step-* checkpoints of one run, or seed-* folders of those.
        out: folder of the results; held by the caller.
        seed: of the probes.
        settings: of the task of all snapshots, as `load` takes them.
        learning: estimate the local learning coefficient of each, too.

    Raises:
        MechprobeError: no runs there, runs of several tasks or of one that is not followed, a run
            of several models, no snapshot that can be labelled, or results of other runs in `out`.
    """
    runs = find_runs(path)
    task = tuple((settings or {}).items())
    reading = reading_of(task_of(path, runs, dict(task)))
    probes = what_to_follow(reading).probes
    jobs = {
        (name, step): StudyJob(f"{name}-{checkpoint.name}", checkpoint, out, seed, probes, task)
        for name, steps in runs.items()
        for step, checkpoint in steps.items()
    }
    learners = [LearningJob(j.name, j.checkpoint, out, seed, task) for j in jobs.values()]
    words = ["mechprobe", "dynamics", str(path), "--out", str(out), "--seed", str(seed)]
    words += ["--task", settings_text(dict(task))] if task else []
    words += ["--llc"] if learning else []
    info = run_info("Mechanism along training", printable(shlex.join(words)), seed)
    home = place_of(path)
    begin_run(
        out,
        info,
        [job.name for job in jobs.values()],
        lambda _, result: Path(place_of(result.path)).is_relative_to(home),
    )
    results, problems = study_all(list(jobs.values()), "labelling snapshots")
    estimates, failed = estimate_all(learners) if learning else (None, [])
    problems += [one for one in failed if one not in problems]  # a bad snapshot is told once
    by_name = {result.name: result for result in results}
    found = {
        name: {
            step: by_name[job.name] for step in steps if (job := jobs[name, step]).name in by_name
        }
        for name, steps in runs.items()
    }
    if not results:
        raise MechprobeError(f"{path}: no snapshot could be labelled ({problems[0]})")
    followed = what_to_follow(reading, learning)
    made = [_run(n, steps, followed, estimates, seed) for n, steps in found.items() if steps]
    return Dynamics(reading, info.command, seed, info.versions, made, problems, learning)


def as_text(run: Run, dynamics: Dynamics) -> str:
    """What `mechprobe dynamics` prints of one run."""
    table = history(run, dynamics, dynamics.followed.columns)
    says = (f"- {sentence}" for sentence in told(run, dynamics))
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
                "changes": {name: asdict(found) for name, found in run.changes.items()},
                "sentences": told(run, dynamics),
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


def _run(
    name: str,
    steps: dict[int, ModelResult],
    followed: Followed,
    estimates: Mapping[str, Learned] | None,
    seed: int,
) -> Run:
    snapshots = [followed.snapshot(result, step) for step, result in steps.items()]
    if estimates is not None:
        names = [result.name for result in steps.values()]
        snapshots = [
            learned(one, estimates.get(name)) for one, name in zip(snapshots, names, strict=True)
        ]
    settings = _settings(list(steps.values())[-1])
    changes = _changes(snapshots, followed, seed)
    return Run(name, settings, snapshots, formation(snapshots), changes)


def _changes(snapshots: Sequence[Snapshot], followed: Followed, seed: int) -> dict[str, Changes]:
    """Change points of curves; where those drawn faint say nothing yet, they are left out."""
    steps = [one.step for one in snapshots]
    faint = {c.number for panel in followed.panels for c in panel.curves if c.faint}
    return {
        name: changes_of(
            number,
            steps,
            [
                one.numbers.get(number) if one.told or number not in faint else None
                for one in snapshots
            ],
            generator(seed, f"change points of {number}"),
        )
        for name, number in followed.watched.items()
    }


def _settings(result: ModelResult) -> dict[str, str]:
    sizes = {name: str(size) for name, size in result.sizes.items()}
    training = {name: str(result.meta[name]) for name in TRAINING if name in result.meta}
    return {"architecture": result.architecture, **sizes, **training}
