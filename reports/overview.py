"""The overview of a report: a table for each task, what labels mean, what to filter by."""

from collections.abc import Sequence
from dataclasses import dataclass

from mechprobe.probes.axes import Axis
from mechprobe.reports.labels import Chip, Shown, shown
from mechprobe.reports.sections import Section


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
            *([("Tags", "text")] if self.tagged else []),
        ]

    @property
    def tagged(self) -> bool:
        """Whether any of its models has tags."""
        return any(section.tags for section in self.sections)


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
class Filters:
    """What models can be chosen by, each in the order it is met."""

    tasks: list[str]
    families: list[str]
    kinds: list[str]
    tags: list[str]

    @staticmethod
    def of(tables: Sequence[Table], more_tags: Sequence[str]) -> "Filters":
        """Those of all models; tags also of sections of one's own."""
        every = [section for table in tables for section in table.sections]
        return Filters(
            [table.shown.title for table in tables],
            list(dict.fromkeys(section.result.family for section in every)),
            list(dict.fromkeys(mark.word for table in tables for _, mark in table.counts)),
            list(dict.fromkeys([*(tag for s in every for tag in s.tags), *more_tags])),
        )


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
