"""How labels look on a page: by the reading of their task, or, where it is not installed here, in
the words of the label itself."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mechprobe.probes.axes import Axis, Column, Kind, Performance
from mechprobe.probes.reading import (
    READINGS,
    TaskReading,
    axis_title,
    columns_of,
    heading_of,
)
from mechprobe.probes.results import AxisLabel, MechanismLabel, ModelResult
from mechprobe.reports.colours import NEUTRAL, colour_class
from mechprobe.reports.formatting import MISSING, number, percent, sort_key


@dataclass(frozen=True)
class Chip:
    """A kind as a coloured mark: filled on the first axis, a line with a dot on further ones."""

    word: str
    meaning: str
    colour: str
    line: bool

    @property
    def css(self) -> str:
        """Class of its colour."""
        return colour_class(self.colour)


@dataclass(frozen=True)
class Cell:
    """A cell of the overview.

    Args:
        text: as it stands there.
        sort: what it is sorted by; empty, hence last, where nothing is known.
        chip: shown in place of the text, None for plain text.
    """

    text: str
    sort: str
    chip: Chip | None = None


@dataclass(frozen=True)
class Shown:
    """How the models of one task are shown.

    Args:
        task: its name.
        title: over its models.
        axes, columns, sizes, decided, performance, item: as in `TaskReading`.
        known: whether a reading of it is installed here.
        source: as in `TaskReading`.
    """

    task: str
    title: str
    axes: Sequence[Axis]
    columns: Sequence[Column]
    sizes: Mapping[str, str]
    decided: Mapping[str, str]
    performance: Performance | None
    item: str
    known: bool
    source: str = ""

    def axis(self, name: str) -> Axis:
        """An axis by name, one without kinds where the task has none of that name."""
        return next((a for a in self.axes if a.name == name), Axis(name, axis_title(name), {}))

    def chip(self, name: str, kind: str) -> Chip:
        """A kind on one of the axes."""
        known = self.axis(name).kinds.get(kind)
        meaning, colour = ("", NEUTRAL) if known is None else (known.meaning, known.colour)
        return Chip(kind, meaning, colour, line=name != self.axes[0].name)

    def chips(self, label: MechanismLabel) -> list[Chip]:
        """One for each axis of a label."""
        return [self.chip(axis.name, axis.kind) for axis in label.axes]

    def counts(self, labels: Iterable[MechanismLabel]) -> list[tuple[int, Chip]]:
        """How many models there are of each kind on the first axis, kinds that occur only."""
        first = self.axes[0]
        found = Counter(kind for label in labels if (kind := label.kind(first.name)) is not None)
        kinds = dict.fromkeys([*first.kinds, *found])
        return [(found[kind], self.chip(first.name, kind)) for kind in kinds if found[kind]]

    def cell(self, column: Column, label: MechanismLabel) -> Cell:
        """What a column says of a label; of the kind on an axis, its chip."""
        value = column.says(label)
        if value is None:
            return Cell(MISSING, "")
        if isinstance(value, str):
            axis = next((a for a in self.axes if a.title == column.title), None)
            return Cell(value, value, None if axis is None else self.chip(axis.name, value))
        return Cell(written(column, value), sort_key(value))

    def others(self) -> list[Column]:
        """Columns of numbers beside the confidence and the performance."""
        headline = self.performance and self.performance.column
        return [c for c in self.columns if c.show in ("share", "number") and c is not headline]

    def meaning(self, label: MechanismLabel) -> str:
        """A verdict in sentences, the mechanism last."""
        kinds = (self.axis(a.name).kinds.get(a.kind) for a in reversed(label.axes))
        return " ".join(kind.meaning for kind in kinds if kind is not None)

    def assurance(self, label: MechanismLabel) -> str:
        """How sure a verdict is, and the numbers that are neither in its words nor its chips."""
        sure = [a for a in label.axes if a.confidence is not None]
        again = [a for a in label.axes if a.agreement is not None]
        parts = []
        if sure:
            each = (
                f"{percent(a.confidence, 0)} that the {self._called(a)} is {a.kind}" for a in sure
            )
            parts.append(f"Confidence {', '.join(each)}")
        if again:
            whose = [" of the bootstrap replicates give", *[""] * len(again)]
            each = (
                f"{percent(a.agreement, 0)}{text} the same {self._called(a)}"
                for a, text in zip(again, whose, strict=False)
            )
            parts.append(", ".join(each))
        said = ["; ".join(parts)] if parts else []
        said += [f"{c.title}: {self.cell(c, label).text}" for c in self.others()]
        return " ".join(f"{sentence}." for sentence in said)

    def _called(self, axis: AxisLabel) -> str:
        return self.axis(axis.name).title.lower()


def shown(results: Sequence[ModelResult]) -> dict[str, Shown]:
    """How to show the models of every task of a run: tasks with a reading here first."""
    by_task: dict[str, list[MechanismLabel]] = {}
    for result in results:
        by_task.setdefault(result.task_name, []).append(result.label)
    names = [*(n for n in READINGS if n in by_task), *(n for n in by_task if n not in READINGS)]
    return {name: _shown(name, by_task[name]) for name in names}


def reading_shown(reading: TaskReading) -> Shown:
    """How to show the models of a task whose reading is installed here."""
    r = reading
    return Shown(
        r.name,
        r.title,
        r.axes,
        r.columns,
        r.sizes,
        r.decided,
        r.performance,
        r.item,
        True,
        r.source,
    )


def written(column: Column, value: float | None) -> str:
    """A number as its column has it."""
    if column.show == "number":
        return number(value)
    return percent(value, 0 if column.show == "confidence" else 1)


def _shown(task: str, labels: Sequence[MechanismLabel]) -> Shown:
    if task in READINGS:
        return reading_shown(READINGS[task])
    names = dict.fromkeys(axis.name for label in labels for axis in label.axes)
    axes = [_own_axis(name, labels) for name in names]
    columns = columns_of(task, labels)
    return Shown(task, heading_of(task), axes, columns, {}, {}, None, "item", False)


def _own_axis(name: str, labels: Sequence[MechanismLabel]) -> Axis:
    met = [axis for label in labels for axis in label.axes if axis.name == name]
    return Axis(name, axis_title(name), {a.kind: Kind("", a.words, NEUTRAL) for a in met})
