"""What a report shows of each model, figures drawn; the template only lays it out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mechprobe.models import MechprobeError
from mechprobe.models.base.registry import guarded
from mechprobe.probes.axes import Item
from mechprobe.probes.reading import READINGS
from mechprobe.probes.registry import Probe
from mechprobe.probes.results import ModelResult, ProbeResult
from mechprobe.reports.figures import FULL, Form, Image
from mechprobe.reports.formatting import anchors, first_sentence
from mechprobe.reports.glossary import summary_of
from mechprobe.reports.labels import Shown, shown, written
from mechprobe.reports.pictures import Picture, draw_all

BEYOND = "beyond: "  # how a label begins a reason why its confidence may not hold
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
        tags: words to find it by: those that its checkpoint and the report's maker gave it.
    """

    result: ModelResult
    shown: Shown
    anchor: str
    findings: list[Finding]
    items: list[Item]
    tags: list[str]

    @property
    def doubt(self) -> float:
        """How unsure the least sure axis of its label is; 0 where no confidence is known."""
        known = [a.confidence for a in self.result.label.axes if a.confidence is not None]
        return 1 - min(known, default=1.0)

    @property
    def kind(self) -> str:
        """Of its mechanism."""
        return self.result.label.axes[0].kind

    @property
    def share(self) -> float | None:
        """How well it does its task as a share of right answers; None where that is no share."""
        measured = self.shown.performance
        if measured is None or measured.column.show != "share":
            return None
        value = measured.column.says(self.result.label)
        return None if isinstance(value, str) else value

    @property
    def legend(self) -> list[tuple[int, Item]]:
        """How many items there are of each kind, the commonest first."""
        return [(n, item) for item, n in Counter(self.items).most_common()]

    @property
    def reasons(self) -> list[str]:
        """Why the label is what it is."""
        label = self.result.label
        reasons = label.reasons or [f"{a.name}: {a.reason}" for a in label.axes if a.reason]
        return [reason for reason in reasons if not reason.startswith(BEYOND)]

    @property
    def beyond(self) -> list[str]:
        """In which ways it is unlike the models that its confidence was calibrated on."""
        found = (r.removeprefix(BEYOND) for r in self.result.label.reasons if r.startswith(BEYOND))
        return list(found)

    @property
    def performance(self) -> str:
        """How well the model does its task; empty where nothing says so."""
        measured = self.shown.performance
        value = None if measured is None else measured.column.says(self.result.label)
        if measured is None or value is None or isinstance(value, str):
            return ""
        return f"{measured.name} {written(measured.column, value)}"


def sections(
    results: Sequence[ModelResult],
    probes: Mapping[str, Probe],
    form: Form = FULL,
    tags: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Section]:
    """Draw and collect all models, in the order given.

    Args:
        results: models of a run.
        probes: registered probes by name; their figures are used.
        form: of the figures.
        tags: more of them, by the model's name.
    """
    names = anchors(result.name for result in results)
    drawn = draw_all(results, probes, form)
    tasks = shown(results)
    return [
        Section(
            result=result,
            shown=tasks[result.task_name],
            anchor=anchor,
            findings=[
                _finding(r, result.name, picture, summary_of(probes.get(r.probe)))
                for r, picture in zip(result.probes, pictures, strict=True)
            ],
            items=_items(result, tasks[result.task_name]),
            tags=list(dict.fromkeys([*_own_tags(result), *tags.get(result.name, ())])),
        )
        for result, anchor, pictures in zip(results, names, drawn, strict=True)
    ]


def most_doubtful(sections: Sequence[Section]) -> Section:
    """The model whose label is least sure; the first of several."""
    return max(sections, key=lambda section: section.doubt)


def _own_tags(result: ModelResult) -> list[str]:
    """Those its checkpoint carries, and where the checkpoint comes from."""
    meta = result.meta
    found = [meta.get("origin"), *(meta["tags"] if isinstance(meta.get("tags"), list) else ())]
    return [tag for tag in found if isinstance(tag, str) and tag]


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
