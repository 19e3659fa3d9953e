"""What the page shows of each model, figures drawn; the template only lays it out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mechprobe.models.base.parallel import run_all
from mechprobe.probes.registry import Probe, all_probes
from mechprobe.probes.results import ModelResult, ProbeResult
from mechprobe.reports.figures import Image, to_data_uri
from mechprobe.reports.formatting import anchors, first_sentence
from mechprobe.reports.vocabulary import TOKENS

MANY = 40  # figures; from here on several processes save more time than they take to start
WIDE = 560  # pixels; wider figures would be shrunk beyond reading in one column of the grid


# A figure, or why there is none.
Picture = tuple[Image | None, str]


@dataclass(frozen=True)
class Finding:
    """One probe on one model.

    Args:
        result: the stored numbers and words.
        summary: what the probe measures; empty where the probe is not installed here.
        image: its figure, None where there is none.
        note: why there is no figure; empty where there is one or none is meant to be.
        alt: the figure in words, for those who do not see it.
    """

    result: ProbeResult
    summary: str
    image: Image | None
    note: str
    alt: str

    @property
    def wide(self) -> bool:
        """Whether its figure needs a row of its own to stay readable."""
        return self.image is not None and self.image.width > WIDE


@dataclass(frozen=True)
class Section:
    """One model.

    Args:
        result: everything the run knows about it.
        anchor: fragment identifier of the section.
        findings: its probes, in the order of the run.
        tokens: how many tokens of each kind, kinds that occur only.
    """

    result: ModelResult
    anchor: str
    findings: list[Finding]
    tokens: dict[str, int]


@dataclass(frozen=True)
class Table:
    """One table of the overview: models that count, or students of a teacher.

    Args:
        counting: which of the two.
        sizes: names of the sizes its models have.
        sections: its models.
    """

    counting: bool
    sizes: list[str]
    sections: list[Section]

    @property
    def title(self) -> str:
        """Its heading, where there are two."""
        return "Models that count" if self.counting else "Students of a teacher attention"

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Title and kind of each column; what was found first, it must not be off screen."""
        mechanism = [("Mechanism", "text")] if self.counting else []
        own = [("Counters", "number"), ("Accuracy", "number")]
        return [
            ("Model", "text"),
            *mechanism,
            ("Attention", "text"),
            ("Confidence", "number"),
            *(own if self.counting else [("Test error", "number")]),
            ("Architecture", "text"),
            *((size, "number") for size in self.sizes),
        ]


@dataclass(frozen=True)
class ProbeLine:
    """One version of a probe that took part, for the reproduction table."""

    name: str
    kind: str
    version: str
    package: str
    summary: str


def sections(results: list[ModelResult], probes: Mapping[str, Probe]) -> list[Section]:
    """Draw and collect all models, in the order given.

    Args:
        results: models of a run.
        probes: registered probes by name; their figures are used.
    """
    names = anchors(result.name for result in results)
    drawn = _draw_all(results, probes)
    return [
        _section(result, anchor, pictures, probes)
        for result, anchor, pictures in zip(results, names, drawn, strict=True)
    ]


def overview(shown: Sequence[Section]) -> list[Table]:
    """The overview's tables, those with models only."""
    tables = []
    for counting in (True, False):
        own = [s for s in shown if (s.result.label.mechanism is not None) == counting]
        sizes = dict.fromkeys(name for section in own for name in section.result.sizes)
        if own:
            tables.append(Table(counting, list(sizes), own))
    return tables


def probe_lines(results: list[ModelResult], probes: Mapping[str, Probe]) -> list[ProbeLine]:
    """Every probe of a run once for each version and package it came in."""
    lines = {
        ProbeLine(
            name=found.probe,
            kind=found.kind,
            version=found.provenance.version,
            package=found.provenance.package,
            summary=_summary(probes.get(found.probe)),
        ): None
        for result in results
        for found in result.probes
    }
    return sorted(lines, key=lambda line: (line.name, line.version, line.package))


def _draw_all(results: list[ModelResult], probes: Mapping[str, Probe]) -> list[list[Picture]]:
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


def _section(
    result: ModelResult, anchor: str, pictures: list[Picture], probes: Mapping[str, Probe]
) -> Section:
    found: Counter[str] = Counter(result.label.tokens)
    return Section(
        result=result,
        anchor=anchor,
        findings=[
            _finding(r, result.name, picture, _summary(probes.get(r.probe)))
            for r, picture in zip(result.probes, pictures, strict=True)
        ],
        tokens={kind: found[kind] for kind in TOKENS if kind in found},
    )


def _finding(result: ProbeResult, model: str, picture: Picture, summary: str) -> Finding:
    image, note = picture
    says = first_sentence(result.words)
    alt = f"{result.probe} of {model}" + (f": {says}" if says else "")
    return Finding(result, summary, image, note, alt)


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
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return None, f"No figure: drawing it failed ({reason[:200]})."


def _summary(probe: Probe | None) -> str:
    return "" if probe is None else probe.summary
