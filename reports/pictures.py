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
from mechprobe.probes.portraits import drawn
from mechprobe.probes.registry import Probe, all_probes
from mechprobe.probes.results import ModelResult, ProbeResult
from mechprobe.reports.figures import Image, to_data_uri

# Probes' results, of which half have a figure: from here on several processes save more time than
# they take to start.
MANY = 120

# A figure, or why there is none.
Picture = tuple[Image | None, str]


def draw_all(results: list[ModelResult], probes: Mapping[str, Probe]) -> list[list[Picture]]:
    """The figures of every model, or why there is none, in the order of its probes.

    Args:
        results: models of a run.
        probes: registered probes by name.
    """
    if sum(len(result.probes) for result in results) < MANY:
        bar = tqdm(results, desc="drawing", file=sys.stderr, delay=2.0, leave=False)
        return [[_picture(found, probes.get(found.probe)) for found in r.probes] for r in bar]
    index = range(len(results))
    jobs = [(i, results[i].probes) for i in index]
    done = {job[0]: pictures for job, pictures in run_all(_draw_model, jobs, "drawing")}
    return [
        [
            # A probe that only this process knows is drawn here.
            picture or _picture(found, probes.get(found.probe))
            for found, picture in zip(results[i].probes, done[i], strict=True)
        ]
        for i in index
    ]


def _draw_model(job: tuple[int, Sequence[ProbeResult]]) -> list[Picture | None]:
    known = all_probes()
    return [
        _picture(found, known[found.probe]) if found.probe in known else None for found in job[1]
    ]


def _picture(result: ProbeResult, probe: Probe | None) -> Picture:
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
            return to_data_uri(drawn(result, probe)), ""
    except MechprobeError as error:
        return None, f"No figure: {short(error, 240)}."


@contextmanager
def _quiet() -> Iterator[None]:
    """Numbers too large to draw make matplotlib warn; what it can draw, it draws."""
    with catch_warnings(), np.errstate(all="ignore"):
        simplefilter("ignore")
        yield
