"""What the page shows of each model, figures drawn; the template only lays it out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mechprobe.models import MechprobeError
from mechprobe.models.base.registry import guarded
from mechprobe.probes.axes import Axis, Item
from mechprobe.probes.reading import READINGS
from mechprobe.probes.registry import Probe
from mechprobe.probes.results import ModelResult, ProbeResult
from mechprobe.reports.figures import Image
from mechprobe.reports.formatting import anchors, first_sentence
from mechprobe.reports.labels import Chip, Shown, shown, written
from mechprobe.reports.pictures import Picture, draw_all

WIDE = 560  # pixels; wider figures would be shrunk beyond reading in one column of the grid


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
        shown: how models of its task are shown.
        anchor: fragment identifier of the section.
        findings: its probes, in the order of the run.
        items: what its label tells apart below the model, such as every token.
    """

    result: ModelResult
    shown: Shown
    anchor: str
    findings: list[Finding]
    items: list[Item]

    @property
    def legend(self) -> list[tuple[int, Item]]:
        """How many items there are of each kind, the commonest first."""
        return [(n, item) for item, n in Counter(self.items).most_common()]

    @property
    def reasons(self) -> list[str]:
        """Why the label is what it is."""
        label = self.result.label
        return label.reasons or [f"{a.name}: {a.reason}" for a in label.axes if a.reason]

    @property
    def performance(self) -> str:
        """How well the model does its task; empty where nothing says so."""
        measured = self.shown.performance
        value = None if measured is None else measured.column.says(self.result.label)
        if measured is None or value is None or isinstance(value, str):
            return ""
        return f"{measured.name} {written(measured.column, value)}"


@dataclass(frozen=True)
class Table:
    """One table of the overview: the models of one task.

    Args:
        shown: how they are shown.
        sections: the models.
    """

    shown: Shown
    sections: list[Section]

    @property
    def counts(self) -> list[tuple[int, Chip]]:
        """How many models there are of each kind on the first axis."""
        return self.shown.counts(section.result.label for section in self.sections)

    @property
    def sizes(self) -> list[str]:
        """Names of the sizes its models have."""
        return list(dict.fromkeys(name for s in self.sections for name in s.result.sizes))

    @property
    def size_meanings(self) -> str:
        """What they are, in a line; empty where nothing says so."""
        known = (f"{n}: {self.shown.sizes[n]}" for n in self.sizes if n in self.shown.sizes)
        text = ", ".join(known)
        return f"{text}." if text else ""

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Title and kind of each column; what was found first, it must not be off screen."""
        return [
            ("Model", "text"),
            *((c.title, "text" if c.show == "text" else "number") for c in self.shown.columns),
            ("Architecture", "text"),
            *((size, "number") for size in self.sizes),
        ]


@dataclass(frozen=True)
class Explained:
    """How the kinds on one axis are decided, for all tasks that share it.

    Args:
        paragraphs: a task each.
        kinds: with what they mean.
    """

    paragraphs: list[str]
    kinds: list[Chip]


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
    drawn = draw_all(results, probes)
    tasks = shown(results)
    return [
        _section(result, tasks[result.task_name], anchor, pictures, probes)
        for result, anchor, pictures in zip(results, names, drawn, strict=True)
    ]


def overview(sections: Sequence[Section]) -> list[Table]:
    """The overview's tables, one a task."""
    tasks = shown([section.result for section in sections])
    return [
        Table(how, [section for section in sections if section.result.task_name == task])
        for task, how in tasks.items()
    ]


def explained(tables: Sequence[Table]) -> list[Explained]:
    """Every axis of the tables once, with what their tasks say of it."""
    axes: list[tuple[Axis, list[Shown]]] = []
    for table in tables:
        for axis in table.shown.axes if table.shown.known else ():
            same = next((tasks for known, tasks in axes if known == axis), None)
            if same is None:
                axes.append((axis, [table.shown]))
            else:
                same.append(table.shown)
    return [
        Explained(
            [text for task in tasks if (text := task.decided.get(axis.name))],
            [tasks[0].chip(axis.name, kind) for kind in axis.kinds],
        )
        for axis, tasks in axes
    ]


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


def _section(
    result: ModelResult,
    how: Shown,
    anchor: str,
    pictures: list[Picture],
    probes: Mapping[str, Probe],
) -> Section:
    return Section(
        result=result,
        shown=how,
        anchor=anchor,
        findings=[
            _finding(r, result.name, picture, _summary(probes.get(r.probe)))
            for r, picture in zip(result.probes, pictures, strict=True)
        ],
        items=_items(result, how),
    )


def _items(result: ModelResult, how: Shown) -> list[Item]:
    """What the task's reading makes of a stored label; nothing where it cannot be read."""
    if not how.known:
        return []
    reading = READINGS[how.task]
    try:
        # A label by another version of a foreign package may do anything; the page must not fail.
        with guarded(f"task reading {reading.name!r}", type(reading).__module__):
            found = list(reading.items(result.label))
    except MechprobeError:
        return []
    return found if all(isinstance(item, Item) for item in found) else []


def _finding(result: ProbeResult, model: str, picture: Picture, summary: str) -> Finding:
    image, note = picture
    says = first_sentence(result.words)
    alt = f"{result.probe} of {model}" + (f": {says}" if says else "")
    return Finding(result, summary, image, note, alt)


def _summary(probe: Probe | None) -> str:
    return "" if probe is None else probe.summary
