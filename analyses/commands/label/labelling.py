"""Label checkpoints from the command: several paths, one bad one does not lose the others."""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from mechprobe.analyses.common.text import cell, summary
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
from mechprobe.probes.reading import columns_of
from mechprobe.probes.views.frames import of_labels

if TYPE_CHECKING:
    import pandas as pd

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
    sizes: Mapping[str, int] = field(default_factory=dict)


def label_paths(
    paths: Sequence[Path], seed: int, settings: Settings | None = None
) -> tuple[list[Labelled], dict[Path, str]]:
    """Label every checkpoint that can be read.

    Args:
        paths: of the checkpoints.
        seed: of the probes.
        settings: of the task of all of them, as `load` takes them.

    Returns:
        Labels in the order of the paths, and one line for each bad path, by the path.
    """
    one_thread()
    labelled, problems = [], {}
    for path in paths:
        try:
            model = load(path, settings)
            verdict = label_model(model, seed=seed)
            task = described(model.task())
        except MechprobeError as error:
            text = str(error)
            problems[path] = text if begins_with(text, path) else f"{path}: {text}"
        else:
            said, config = doubt(path, verdict), model.config
            labelled.append(
                Labelled(path, config.architecture, task, verdict, said, model.taken, config.sizes)
            )
    return labelled, problems


def as_object(item: Labelled) -> dict[str, Any]:
    """What `mechprobe label --json` prints of one model."""
    v = item.verdict
    return {
        "path": printable(item.path),
        "architecture": item.architecture,
        "sizes": dict(item.sizes),
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
        "kappa": [float(k) if isfinite(k) else None for k in v.kappa],
        "taken": list(item.taken),
        "seed": v.seed,
        "problem": None,
    }


def objects(
    paths: Sequence[Path], labelled: Sequence[Labelled], problems: Mapping[Path, str]
) -> list[dict[str, Any]]:
    """What `mechprobe label --format json` prints: an object a path, in their order; of a path
    without a label it says why there is none."""
    found = iter(labelled)
    return [
        {"path": printable(path), "problem": problems[path]}
        if path in problems
        else as_object(next(found))
        for path in paths
    ]


def as_frame(labelled: Sequence[Labelled], problems: Mapping[Path, str]) -> "pd.DataFrame":
    """A row a model, tidy: all numbers behind its label, by name; those without a label last."""
    labels = {printable(item.path): item.verdict for item in labelled}
    frame = of_labels(labels, {printable(path): why for path, why in problems.items()})
    models = {printable(item.path): item for item in labelled}
    kinds = {name: item.architecture for name, item in models.items()}
    frame.insert(1, "architecture", frame["model"].map(kinds))
    sizes = dict.fromkeys(size for item in labelled for size in item.sizes)
    for at, size in enumerate((size for size in sizes if size not in frame), start=2):
        values = {name: item.sizes.get(size) for name, item in models.items()}
        frame.insert(at, size, frame["model"].map(values).astype("Int64"))
    return frame


def overview(labelled: Sequence[Labelled], problems: Mapping[Path, str]) -> "pd.DataFrame":
    """A row a model, as a reader sees it in a table: the columns of the models' tasks as text."""
    import pandas as pd

    rows: list[dict[str, str]] = []
    for item in labelled:
        own = columns_of(item.task["name"], [item.verdict])
        row = {
            "Model": printable(item.path),
            "Architecture": item.architecture,
            "Sizes": " ".join(f"{name}={size}" for name, size in item.sizes.items()),
        }
        rows.append(row | {column.title: cell(column, item.verdict) for column in own})
    rows += [{"Model": printable(path), "Problem": why} for path, why in problems.items()]
    return pd.DataFrame(rows)


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
