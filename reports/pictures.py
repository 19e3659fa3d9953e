"""Figures of the probes of a run, drawn by several processes where there are many."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from warnings import catch_warnings, simplefilter

import numpy as np
from matplotlib import rc_context
from tqdm import tqdm

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.parallel import run_all
from mechprobe.models.base.registry import guarded
from mechprobe.probes.reading import READINGS
from mechprobe.probes.registry import Probe, all_probes
from mechprobe.probes.results import ModelResult, ProbeResult
from mechprobe.probes.views.portraits import drawn
from mechprobe.reports.figures import FULL, Form, Image, to_data_uri

# Probes' results, of which half have a figure: from here on several processes save more time than
# they take to start.
MANY = 120

LEFT_OUT = "Its figure is in the full report."

# A figure, or why there is none.
Picture = tuple[Image | None, str]


def draw_all(
    results: Sequence[ModelResult], probes: Mapping[str, Probe], form: Form = FULL
) -> list[list[Picture]]:
    """The figures of every model, or why there is none, in the order of its probes.

    Args:
        results: models of a run.
        probes: registered probes by name.
        form: how they are drawn, and how many.
    """
    if sum(len(result.probes) for result in results) < MANY:
        bar = tqdm(results, desc="drawing", file=sys.stderr, delay=2.0, leave=False)
        return [_drawn(result.task_name, result.probes, probes, form) for result in bar]
    jobs = [(i, result.task_name, result.probes, form) for i, result in enumerate(results)]
    done = {job[0]: pictures for job, pictures in run_all(_draw_model, jobs, "drawing")}
    # A probe that only this process knows is drawn here.
    return [
        _drawn(result.task_name, result.probes, probes, form, done[i])
        for i, result in enumerate(results)
    ]


def _draw_model(job: tuple[int, str, Sequence[ProbeResult], Form]) -> list[Picture | None]:
    _, task, results, form = job
    known = all_probes()
    there = [result for result in results if result.probe in known]
    pictures = iter(_drawn(task, there, known, form))
    return [next(pictures) if result.probe in known else None for result in results]


def _drawn(
    task: str,
    results: Sequence[ProbeResult],
    probes: Mapping[str, Probe],
    form: Form,
    done: Sequence[Picture | None] = (),
) -> list[Picture]:
    """The figures of one model, those in `done` taken from there."""
    pictures: dict[int, Picture] = {}
    spent, full = 0, False
    for i in _in_order(task, results) if form.most is not None else range(len(results)):
        probe = probes.get(results[i].probe)
        if full and probe is not None and probe.draw is not None:
            pictures[i] = None, LEFT_OUT
            continue
        image, note = (done[i] if done else None) or _picture(results[i], probe, form)
        spent += 0 if image is None else image.size
        full = form.most is not None and spent > form.most
        pictures[i] = (None, LEFT_OUT) if full and image is not None else (image, note)
    return [pictures[i] for i in range(len(results))]


def _in_order(task: str, results: Sequence[ProbeResult]) -> list[int]:
    """Places of results, those whose figures say most first."""
    leading = list(READINGS[task].leading) if task in READINGS else []
    ranks = {name: rank for rank, name in enumerate(leading)}
    return sorted(range(len(results)), key=lambda i: ranks.get(results[i].probe, len(ranks)))


def _picture(result: ProbeResult, probe: Probe | None, form: Form) -> Picture:
    if probe is None:
        return None, (
            f"No figure: the probe {result.probe} is not installed here"
            f" (it came from {result.provenance.package})."
        )
    if probe.draw is None:
        return None, ""
    try:
        # A foreign figure may fail in any way; the report must not. Settings of matplotlib that
        # it changes are its own.
        with guarded("drawing it failed", probe.measure.__module__), rc_context(), _quiet():
            return to_data_uri(drawn(result, probe), form.budget, form.sharpness), ""
    except MechprobeError as error:
        return None, f"No figure: {short(error, 240)}."


@contextmanager
def _quiet() -> Iterator[None]:
    """Numbers too large to draw make matplotlib warn; what it can draw, it draws."""
    with catch_warnings(), np.errstate(all="ignore"):
        simplefilter("ignore")
        yield
