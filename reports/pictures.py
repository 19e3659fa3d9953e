"""Figures of the probes of a run, drawn by several processes where there are many."""

from collections.abc import Mapping, Sequence

from mechprobe.models.base.errors import reason_of
from mechprobe.models.base.parallel import run_all
from mechprobe.probes.registry import Probe, all_probes
from mechprobe.probes.results import ModelResult, ProbeResult
from mechprobe.reports.figures import Image, to_data_uri

MANY = 40  # figures; from here on several processes save more time than they take to start

# A figure, or why there is none.
Picture = tuple[Image | None, str]


def draw_all(results: list[ModelResult], probes: Mapping[str, Probe]) -> list[list[Picture]]:
    """The figures of every model, or why there is none, in the order of its probes.

    Args:
        results: models of a run.
        probes: registered probes by name.
    """
    if sum(len(result.probes) for result in results) < MANY:
        return [[_picture(found, probes.get(found.probe)) for found in r.probes] for r in results]
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
        return to_data_uri(probe.draw(result)), ""
    except Exception as error:  # a foreign figure may fail in any way; the report must not
        return None, f"No figure: drawing it failed ({reason_of(error, 200)})."
