"""Follow the mechanism along training runs: label every snapshot, read when it formed."""

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.common.text import columns
from mechprobe.analyses.dynamics.study import Run, Study
from mechprobe.analyses.dynamics.tables import EVIDENCE, history
from mechprobe.analyses.dynamics.words import sentences
from mechprobe.models import MechprobeError, load
from mechprobe.models.base.files import printable
from mechprobe.probes import ModelResult, RunInfo
from mechprobe.probes.formation import formation
from mechprobe.probes.snapshots import Snapshot, snapshot

# What is followed, beside the label: the probes whose numbers the page and the command show.
PROBES = ("count-transport", "mutual-coherence", "bos-anchoring", "counting-subspace")
STEP = re.compile(r"step-(\d+)")
SEED = re.compile(r"seed-(\d+)")
TRAINING = ("steps", "batch", "lr", "schedule", "seed")


def follow(path: Path, out: Path, seed: int) -> Study:
    """Label all snapshots of all runs; what was stored before a stop is not done again.

    Args:
        path: holds the step-* checkpoints of one run, or seed-* folders of those.
        out: folder of the results.
        seed: of the probes.

    Raises:
        MechprobeError: no runs there, models that do not count, or none that can be labelled.
    """
    runs = find_runs(path)
    for steps in runs.values():
        _refuse_other_tasks(next(iter(steps.values())))
    jobs = {
        (name, step): StudyJob(f"{name}-{checkpoint.name}", checkpoint, out, seed, PROBES)
        for name, steps in runs.items()
        for step, checkpoint in steps.items()
    }
    words = ["mechprobe", "dynamics", str(path), "--out", str(out), "--seed", str(seed)]
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
    return _study(info, {name: steps for name, steps in found.items() if steps}, problems)


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


def as_text(run: Run) -> str:
    """What `mechprobe dynamics` prints of one run."""
    table = history(run, EVIDENCE)
    says = (f"- {sentence}" for sentence in sentences(run.formation))
    return "\n".join([run.name, columns([table.head, *table.rows]), *says])


def as_object(study: Study, page: Path) -> dict[str, Any]:
    """What `mechprobe dynamics --json` prints."""
    return {
        "page": printable(str(page)),
        "seed": study.seed,
        "runs": [
            {
                "name": run.name,
                "formation": asdict(run.formation),
                "sentences": sentences(run.formation),
                "snapshots": [_plain(one) for one in run.snapshots],
            }
            for run in study.runs
        ],
    }


def _plain(one: Snapshot) -> dict[str, Any]:
    kappa = [None if math.isnan(value) else value for value in one.kappa.tolist()]
    return {**asdict(one), "kappa": kappa}


def _study(
    info: RunInfo, found: dict[str, dict[int, ModelResult]], problems: Sequence[str]
) -> Study:
    runs = []
    for name, steps in found.items():
        snapshots = [snapshot(result, step) for step, result in steps.items()]
        last = list(steps.values())[-1]
        runs.append(
            Run(
                name,
                _settings(last),
                snapshots,
                formation(snapshots),
                last.label.evidence["chance"].value,
            )
        )
    return Study(info.command, info.seed, info.versions, runs, list(problems))


def _settings(result: ModelResult) -> dict[str, str]:
    sizes = {name: str(size) for name, size in result.sizes.items()}
    training = {name: str(result.meta[name]) for name in TRAINING if name in result.meta}
    return {"architecture": result.architecture, **sizes, **training}


def _refuse_other_tasks(checkpoint: Path) -> None:
    model = load(checkpoint)
    if model.task().name != "histogram":
        raise MechprobeError(f"{checkpoint}: the model does not count; only such runs are followed")


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Folders within one whose whole name fits a pattern, by its number."""
    try:
        matches = [(pattern.fullmatch(entry.name), entry) for entry in folder.iterdir()]
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot be read ({error.strerror})") from None
    return dict(sorted((int(match[1]), entry) for match, entry in matches if match))
