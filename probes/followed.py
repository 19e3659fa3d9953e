"""What a task's reading has followed along training: which numbers, drawn and told how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mechprobe.probes.results import ModelResult
from mechprobe.probes.snapshots import Snapshot

__all__ = [
    "Bar",
    "Curve",
    "Followed",
    "Level",
    "Panel",
]


@dataclass(frozen=True)
class Curve:
    """One number of every snapshot, against steps.

    Args:
        number: its name in `Snapshot.numbers`; snapshots without it leave a gap.
        label: in the legend.
        colour, marker: of the line.
        faint: whether it is dotted where the evidence says nothing yet (`Snapshot.told`).
        joined: whether the marks are joined.
        band: name of the `Snapshot.items` whose middle 80 % are shaded behind it, and what they
            are called.
    """

    number: str
    label: str
    colour: str
    marker: str = "o"
    faint: bool = False
    joined: bool = True
    band: tuple[str, str] | None = None


@dataclass(frozen=True)
class Level:
    """A value worth a line across a panel.

    Args:
        value: the value, or the name of a number whose value at the last snapshot it is.
        label: what stands at the line.
    """

    value: float | str
    label: str = ""


@dataclass(frozen=True)
class Panel:
    """Curves that share one axis.

    Args:
        title: over it.
        curves: those without any number in a run are left out.
        unit: at the axis.
        limits: of the axis, None where the numbers decide.
        levels: lines across it.
    """

    title: str
    curves: tuple[Curve, ...]
    unit: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Bar:
    """What makes a snapshot solved, in words.

    Args:
        noun: what has to pass the bar, such as "accuracy".
        reaches, never: that it does, and that it never does, such as "Accuracy reaches 90 %".
        column: heading of the step from which on it does.
    """

    noun: str
    reaches: str
    never: str
    column: str


@dataclass(frozen=True)
class Followed:
    """What is followed along the snapshots of a training run.

    Args:
        title: of the page.
        probes: that run on every snapshot, beside the label.
        snapshot: what a stored result is at a step.
        bar: what makes a snapshot solved.
        panels: of the figure, two a row.
        columns: heading and name of the numbers in the tables of snapshots.
        more: the same of those on the page only.
        leans: what it means that evidence leans to a kind.
        terms: further words on the page, and what they mean.
        reasons: the words for a missing number (`Snapshot.why`), and what they mean, in a clause.
        watched: names, and numbers by them, of the curves that change points are looked for in.
    """

    title: str
    probes: tuple[str, ...]
    snapshot: Callable[[ModelResult, int], Snapshot]
    bar: Bar
    panels: tuple[Panel, ...]
    columns: Mapping[str, str]
    more: Mapping[str, str] = field(default_factory=dict)
    leans: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    watched: Mapping[str, str] = field(default_factory=dict)
