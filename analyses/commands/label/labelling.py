"""Label checkpoints from the command: several paths, one bad one does not lose the others."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.claims import doubt
from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.common.text import summary
from mechprobe.models import MechprobeError, load
from mechprobe.models.base.errors import begins_with, plain
from mechprobe.models.base.files import printable
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.checkpoints import Settings
from mechprobe.models.checkpoints.asking import settings_text
from mechprobe.models.tasks import described
from mechprobe.probes import MechanismLabel
from mechprobe.probes import label as label_model
from mechprobe.probes.runs import RESULTS


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


def study_paths(
    paths: Sequence[Path], folder: Path, seed: int, settings: Settings | None = None
) -> list[str]:
    """Run every probe on checkpoints and keep a run folder; returns problems.

    Raises:
        MechprobeError: the folder holds something else, or results of other models.
    """
    names = _unique_names(paths)
    task = tuple((settings or {}).items())
    jobs = [StudyJob(n, p, folder, seed, task=task) for n, p in zip(names, paths, strict=True)]
    words = ["mechprobe", "label", *map(str, paths), "--run", str(folder), "--seed", str(seed)]
    words += ["--task", settings_text(dict(task))] if task else []
    command = printable(shlex.join(words))
    others = sorted(f.stem for f in (folder / RESULTS).glob("*.json") if f.stem not in names)
    if others:
        listed = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
        raise MechprobeError(
            f"{folder}: holds results of others ({listed}); name their checkpoints too, or choose a"
            " new folder"
        )
    begin_run(folder, run_info("Labelled checkpoints", command, seed), names)
    _, problems = study_all(jobs)
    return problems


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """The folders' names, numbered where two are alike."""
    plain = [printable(path.resolve().name) or "model" for path in paths]
    return [
        name if plain.count(name) == 1 else f"{name}-{plain[: i + 1].count(name)}"
        for i, name in enumerate(plain)
    ]
