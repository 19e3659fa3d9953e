"""What a checkpoint is and what can be measured on it, for `mechprobe inspect`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.claims import doubt
from mechprobe.analyses.common.text import summary
from mechprobe.models import HookedTransformer, MechprobeError, Task, load, read_meta
from mechprobe.models.base.errors import plain, short
from mechprobe.models.base.files import printable
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.checkpoints import FORMATS, Settings, formats, recognised
from mechprobe.models.tasks import described
from mechprobe.probes import Probe, all_probes
from mechprobe.probes import label as label_model

WIDTH = 13  # of the names, at least


def inspect_path(path: Path, seed: int = 0, settings: Settings | None = None) -> dict[str, Any]:
    """What `mechprobe inspect --json` prints.

    Args:
        path: of the checkpoint.
        seed: of the probes.
        settings: of its task, as `load` takes them.

    Whether a label can be given is found by giving one.

    Raises:
        MechprobeError: not a checkpoint, or a bad one.
    """
    one_thread()
    known = recognised(path, settings)
    model = load(path, settings)
    task = model.task()
    return {
        "path": plain(printable(path)),
        "format": known.name,
        "format_summary": known.summary,
        "package": FORMATS.registered()[known.name].source,
        "family": model.config.family,
        "architecture": model.config.architecture,
        "sizes": model.config.sizes,
        "parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
        "dtype": str(model.cfg.dtype).removeprefix("torch."),
        "fingerprint": model.fingerprint(),
        "task": described(task),
        "config": json.loads(model.config.model_dump_json()),
        "meta": read_meta(path),
        "taken": list(model.taken),
        "label": _label(path, model, seed),
        "probes": {
            probe.name: {"kind": probe.kind, **_answer(_why_not(probe, model, task))}
            for probe in all_probes().values()
        },
    }


def as_text(found: Mapping[str, Any]) -> str:
    """What `mechprobe inspect` prints."""
    task = dict(found["task"])
    lines = {
        "format": f"{found['format']} ({found['format_summary']}) [{found['package']}]",
        "family": found["family"],
        "architecture": found["architecture"],
        "sizes": _pairs(found["sizes"]),
        "parameters": f"{found['parameters']:,} ({found['dtype']})",
        "fingerprint": found["fingerprint"],
        "task": f"{task.pop('name', '')} ({_pairs(task)})",
        "config": _pairs({n: v for n, v in found["config"].items() if not isinstance(v, dict)}),
        **{n: _pairs(v) for n, v in found["config"].items() if isinstance(v, dict)},
        "origin": _pairs(found["meta"]) or "unknown",
        "label": f"can be given: {found['label']['verdict']}",
    }
    if found["taken"]:
        lines["taken"] = _said(found["taken"])
    if found["label"]["why_not"]:
        lines["label"] = f"cannot be given: {found['label']['why_not']}"
    probes = found["probes"]
    apply = [name for name, answer in probes.items() if answer["possible"]]
    lines["probes"] = f"{len(apply)} of {len(probes)} apply: {', '.join(apply)}"
    column = max(WIDTH, 1 + max(map(len, lines)))
    text = [found["path"], *(f"  {name:{column}s}{value}" for name, value in lines.items())]
    rest = {name: answer for name, answer in probes.items() if not answer["possible"]}
    width = max(map(len, rest), default=0)
    if rest:
        text.append("  do not apply")
    text += [f"    {name:{width}s}  {answer['why_not']}" for name, answer in rest.items()]
    return "\n".join(text)


def formats_text() -> tuple[str, list[str]]:
    """The known formats, a line each, and a line for each package that could not be loaded."""
    known = formats()
    width = max(len(name) for name in known)
    lines = [
        f"{f.name:{width}s}  {f.summary}  [{FORMATS.registered()[f.name].source}]"
        for f in known.values()
    ]
    return "\n".join(lines), list(FORMATS.problems())


def _label(path: Path, model: HookedTransformer, seed: int) -> dict[str, Any]:
    try:
        label = label_model(model, seed=seed)
    except MechprobeError as error:
        return {**_answer(str(error)), "verdict": None, "axes": [], "doubt": None}
    axes = [json.loads(axis.model_dump_json()) for axis in label.axes]
    verdict = summary(label, model.task().name)
    return {**_answer(None), "verdict": verdict, "axes": axes, "doubt": doubt(path, label)}


def _why_not(probe: Probe, model: HookedTransformer, task: Task) -> str | None:
    try:
        return probe.why_not(model, task)
    except MechprobeError as error:  # a foreign probe's condition may fail
        return str(error)


def _answer(why_not: str | None) -> dict[str, Any]:
    return {"possible": why_not is None, "why_not": why_not}


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{_short(name)}={_short(value)}" for name, value in values.items())


def _said(sentences: Sequence[str]) -> str:
    return short(plain("; ".join(sentences)), 600)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return short(plain(" ".join(text.split())), 60)
