"""Label checkpoints from the command: several paths, one bad one does not lose the others."""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.claims import doubt
from mechprobe.analyses.common.names import names_for, place_of
from mechprobe.analyses.common.runs import (
    StudyJob,
    begin_run,
    listed,
    results_there,
    run_info,
    study_all,
)
from mechprobe.analyses.common.text import summary
from mechprobe.models import MechprobeError, load
from mechprobe.models.base.errors import begins_with, plain
from mechprobe.models.base.files import printable
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.checkpoints import Settings
from mechprobe.models.checkpoints.asking import settings_text
from mechprobe.models.tasks import described
from mechprobe.probes import MechanismLabel
from mechprobe.probes import label as label_model

TITLE = "Labelled checkpoints"


@dataclass(frozen=True)
class Labelled:
    """A checkpoint and its label; one line where it is not as good as its files say, and what was
    taken of its files where that needs saying."""

    path: Path
    architecture: str
    task: dict[str, Any]
    verdict: MechanismLabel
    doubt: str | None = None
    taken: tuple[str, ...] = ()


def label_paths(
    paths: Sequence[Path], seed: int, settings: Settings | None = None
) -> tuple[list[Labelled], list[str]]:
    """Label every checkpoint that can be read.

    Args:
        paths: of the checkpoints.
        seed: of the probes.
        settings: of the task of all of them, as `load` takes them.

    Returns:
        Labels in the order of the paths, and one line for each bad path.
    """
    one_thread()
    labelled, problems = [], []
    for path in paths:
        try:
            model = load(path, settings)
            verdict = label_model(model, seed=seed)
            task = described(model.task())
        except MechprobeError as error:
            text = str(error)
            problems.append(text if begins_with(text, path) else f"{path}: {text}")
        else:
            said, shape = doubt(path, verdict), model.config.architecture
            labelled.append(Labelled(path, shape, task, verdict, said, model.taken))
    return labelled, problems


def as_object(item: Labelled) -> dict[str, Any]:
    """What `mechprobe label --json` prints of one model."""
    v = item.verdict
    return {
        "path": str(item.path),
        "architecture": item.architecture,
        "task": item.task,
        "accuracy": v.accuracy,
        "test_error": v.test_error,
        "verdict": v.verdict,
        "axes": [json.loads(axis.model_dump_json()) for axis in v.axes],
        "mechanism": v.mechanism,
        "attention": v.attention,
        "counters": v.counters,
        "confidence": v.confidence,
        "agreement": v.agreement,
        "attention_agreement": v.attention_agreement,
        "attention_confidence": v.attention_confidence,
        "reasons": v.reasons,
        "evidence": {name: metric.value for name, metric in v.evidence.items()},
        "tokens": v.tokens,
        "taken": list(item.taken),
        "seed": v.seed,
    }


def as_text(item: Labelled) -> str:
    """What `mechprobe label` prints of one model."""
    head = f"{item.path}: {summary(item.verdict, item.task['name'])}"
    taken = [plain(f"read: {sentence}") for sentence in item.taken]
    return "\n  ".join([head, *taken, *item.verdict.reasons])


@contextmanager
def run_of(paths: Sequence[Path], folder: Path) -> Iterator[dict[str, Path]]:
    """Hold a run folder against other commands; what it holds already keeps its names.

    Args:
        paths: of all checkpoints that the command names.
        folder: of the run.

    Returns:
        Their names in the run; of paths that lead to one checkpoint, the first.

    Raises:
        MechprobeError: the folder holds something else, or results of other models, or another
            command is at work there.
    """
    with folder_alone(folder):
        kept = results_there(folder, TITLE)
        places = {name: place_of(result.path) for name, result in kept.items()}
        names = names_for(paths, places)
        if others := sorted(kept.keys() - set(names)):
            raise MechprobeError(
                f"{folder}: holds results of others ({listed(others)}); name their checkpoints too,"
                " or choose a new folder"
            )
        named: dict[str, Path] = {}
        for name, path in zip(names, paths, strict=True):
            named.setdefault(name, path)
        yield named


def study_run(
    named: Mapping[str, Path], good: Collection[Path], paths: Sequence[Path], folder: Path,
    seed: int, settings: Settings | None = None,
) -> list[str]:  # fmt: skip
    """Run every probe on the checkpoints of a run that can be labelled, and keep the results.

    Args:
        named: checkpoints by name, as `run_of` gives them.
        good: those that can be labelled.
        paths: as the command names them.
        folder: of the run.
        seed: of the probes.
        settings: of the task of all of them, as `load` takes them.

    Returns:
        A line for each bad checkpoint and each probe that failed.

    Raises:
        MechprobeError: the folder cannot be written.
    """
    task = tuple((settings or {}).items())
    words = ["mechprobe", "label", *map(str, paths), "--run", str(folder), "--seed", str(seed)]
    words += ["--task", settings_text(dict(task))] if task else []
    begin_run(folder, run_info(TITLE, printable(shlex.join(words)), seed), named)
    jobs = [
        StudyJob(name, named[name], folder, seed, task=task)
        for name in named
        if named[name] in good
    ]
    _, problems = study_all(jobs)
    return problems
