"""Does a probe keep what reports, runs and readers rely on? For authors of probes.

from mechprobe.probes import check_probe, find_probe
check_probe(find_probe("my-probe"))
"""

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mechprobe.models import MechprobeError
from mechprobe.models.base.registry import guarded
from mechprobe.models.hooked.altered import refuse_altered
from mechprobe.probes.admission import refuse_others
from mechprobe.probes.reading import READINGS
from mechprobe.probes.registry import Probe
from mechprobe.probes.results import Metric, ProbeResult

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

SLACK = 1e-9  # rounding that a declared range allows
ROUNDING = 1e-9  # linear algebra may round otherwise from call to call
DIGITS = 1e-6  # arrays keep 7 digits in JSON


def check_probe(probe: Probe, models: "Mapping[str, HookedTransformer] | None" = None) -> None:
    """Run a probe on small hand-built models and check what it promises.

    Where it applies: metrics are described, and finite or None, within their declared ranges;
    results survive JSON and come out again for the same seed; model and hooks are left as they
    were; words are a string and the figure draws. It must apply to one of the models of its tasks:
    counting with BOS, by comparing tokens or by a constant mixing matrix, two untrained
    transformers (two blocks of two heads with positions and LayerNorm; tokens and positions in
    halves of the stream), a counter written into a TransformerBridge; a positional and a semantic
    student of a teacher attention.

    Args:
        probe: to check.
        models: by name, in place of the kit's own: those of a family or a task of yours.

    Raises:
        MechprobeError: the first fault, in one line that names the probe.
    """
    faults = list(_declaration(probe))
    applied = False
    tried = list(subjects(probe.tasks) if models is None else models.items())
    for name, model in tried:
        if faults:
            break
        refuse_others(model)
        if model.task().name not in probe.tasks:
            continue
        try:
            reason = probe.why_not(model, model.task())
        except MechprobeError as error:
            faults.append(str(error).removeprefix(f"probe {probe.name}: "))
            continue
        if reason is None:
            applied = True
            faults += [f"on {name}: {fault}" for fault in _on(probe, model)][:1]
    if not faults and not applied:
        names = ", ".join(name for name, _ in tried)
        faults.append(f"it applies to none of {names or 'the models at hand'}")
    if faults:
        raise MechprobeError(f"probe {probe.name}: {' '.join(faults[0].split())}")


def subjects(tasks: tuple[str, ...]) -> "Iterator[tuple[str, HookedTransformer]]":
    """Small models of the tasks named, by name; each is made when its turn comes."""
    for task in tasks:
        if task in READINGS:
            yield from READINGS[task].subjects()


def _declaration(probe: Probe) -> Iterator[str]:
    if not probe.summary:
        yield "the measure function needs a docstring, its first line is the summary"
    for name, spec in probe.specs.items():
        if not spec.description.strip():
            yield f"metric {name} has no description"


def _on(probe: Probe, model: "HookedTransformer") -> Iterator[str]:
    before = model.fingerprint()
    try:
        first = probe(model, seed=3)
        if fault := _trace(model, before):
            yield fault
            return
        again = probe(model, seed=3)
    except MechprobeError as error:
        yield str(error).removeprefix(f"probe {probe.name}: ")
        return
    if not isinstance(first.words, str):
        yield f"its words are a {type(first.words).__name__}; a string is wanted"
        return
    yield from _values(first)
    for name in differing(first, again, ROUNDING):
        yield f"two runs with the same seed differ in {name}; draw from context.generator"
    stored = ProbeResult.model_validate_json(first.model_dump_json())
    for name in differing(first, stored, DIGITS):
        yield f"{name} is not the same after JSON"
    yield from _picture(probe, stored)


def _values(result: ProbeResult) -> Iterator[str]:
    for name, metric in result.metrics.items():
        value = metric.value
        low = -np.inf if metric.low is None else metric.low - SLACK
        high = np.inf if metric.high is None else metric.high + SLACK
        if value is not None and not np.isfinite(value):
            yield f"metric {name} is {value}; use None for an undefined metric"
        elif value is not None and not low <= value <= high:
            yield f"metric {name} is {value}, outside its range {metric.low} to {metric.high}"


def _picture(probe: Probe, stored: ProbeResult) -> Iterator[str]:
    from matplotlib.figure import Figure

    if probe.draw is None:
        return
    try:
        with guarded("its figure raises", probe.measure.__module__):
            figure: object = probe.draw(stored)
            if isinstance(figure, Figure):
                figure.savefig(io.BytesIO())
                return
    except MechprobeError as error:
        yield str(error).replace("raises: ", "raises ", 1)
    else:
        yield f"its figure is a {type(figure).__name__}; a matplotlib Figure is wanted"


def differing(first: ProbeResult, second: ProbeResult, tolerance: float) -> list[str]:
    """What differs between two results of one probe.

    Args:
        first, second: the results.
        tolerance: for numbers, relative to a metric or to an array's largest entry.
    """
    left, right = (r.model_dump(exclude={"arrays", "metrics"}) for r in (first, second))
    out = [name for name in left if left[name] != right[name]]
    for name in sorted(first.metrics.keys() | second.metrics.keys()):
        a, b = (r.metrics.get(name) for r in (first, second))
        if a is None or b is None or not _same_metric(a, b, tolerance):
            out.append(f"metric {name}")
    for name in sorted(first.arrays.keys() | second.arrays.keys()):
        x, y = (r.arrays.get(name) for r in (first, second))
        if x is None or y is None or not _alike(x, y, tolerance):
            out.append(f"array {name}")
    return out


def _same_metric(a: Metric, b: Metric, tolerance: float) -> bool:
    if a.model_dump(exclude={"value"}) != b.model_dump(exclude={"value"}):
        return False
    if a.value is None or b.value is None:
        return a.value is b.value
    return _alike(np.array([a.value]), np.array([b.value]), tolerance)


def _alike(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    if a.shape != b.shape:
        return False
    a, b = a.astype(float), b.astype(float)
    slack = tolerance * np.abs(a[np.isfinite(a)]).max(initial=0.0)
    return bool(np.allclose(a, b, 0.0, slack, equal_nan=True))


def _trace(model: "HookedTransformer", before: str) -> str | None:
    """What a probe left on a model, if anything.

    Args:
        model: after it.
        before: the model's fingerprint before it.
    """
    try:
        refuse_altered(model, "as it was")
    except MechprobeError:
        return "it leaves hooks on the model; use run_with_hooks"
    if model.fingerprint() != before:
        return "it changes the model's weights; work on a copy or through hooks"
    return None
