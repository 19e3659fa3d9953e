"""What a label can say: axes with their kinds, and how tables and pages show them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.registry import OURS, guarded
from mechprobe.probes.results import AxisLabel, MechanismLabel


@dataclass(frozen=True)
class Kind:
    """One kind on an axis of a label.

    Args:
        meaning: a sentence for readers who meet the word here first.
        words: as a verdict says it, such as "semantic attention".
        colour: of its mark in pages and figures, "#rrggbb".

    Raises:
        MechprobeError: the colour is not of that form.
    """

    meaning: str
    words: str
    colour: str

    def __post_init__(self) -> None:
        _refuse_other_colours(self.colour)


@dataclass(frozen=True)
class Axis:
    """One axis of a task's label.

    Args:
        name: as labels carry it, such as "attention".
        title: heading of its column, such as "Attention".
        kinds: by name, in the order that legends list them.
    """

    name: str
    title: str
    kinds: Mapping[str, Kind]

    def labelled(self, kind: str, **fields: Any) -> AxisLabel:
        """The verdict that a model is of this kind.

        Args:
            kind: one of `kinds`.
            fields: of `AxisLabel`: confidence, agreement, reason, details.

        Raises:
            KeyError: the axis has no such kind.
        """
        return AxisLabel(name=self.name, kind=kind, words=self.kinds[kind].words, **fields)


@dataclass(frozen=True)
class Column:
    """One column of a table of models, beside their names and sizes.

    Args:
        title: its heading.
        value: what a label says there; None where it says nothing.
        show: how a number is written: a share, or to three digits; text as it is.
    """

    title: str
    value: Callable[[MechanismLabel], str | float | None]
    show: Literal["text", "share", "number", "confidence"] = "text"

    def says(self, label: MechanismLabel) -> str | float | None:
        """What it says of a label; None also where it cannot say, for the label may be by another
        version of a package that is not ours."""
        try:
            with guarded(self.title, getattr(self.value, "__module__", OURS)):
                found: object = self.value(label)
        except MechprobeError:
            return None
        return found if isinstance(found, (str, int, float)) else None


@dataclass(frozen=True)
class Performance:
    """The number that says how well a model does its task; told beside its label.

    Args:
        column: names it, reads it off a label and says how it is written.
        higher_is_better: or else lower.
    """

    column: Column
    higher_is_better: bool

    @property
    def name(self) -> str:
        """As sentences have it, such as "test error"."""
        return self.column.title.lower()


@dataclass(frozen=True)
class Item:
    """One mark of a strip: a thing the label tells apart below the model, such as a token.

    Args:
        kind: what it was found to be, for the legend.
        mark: a letter or sign.
        meaning: of the kind, in a clause.
        colour: of its mark, "#rrggbb".

    Raises:
        MechprobeError: the colour is not of that form.
    """

    kind: str
    mark: str
    meaning: str
    colour: str

    def __post_init__(self) -> None:
        _refuse_other_colours(self.colour)


def _refuse_other_colours(colour: str) -> None:
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise MechprobeError(f'colour {short(repr(colour))}: has to be like "#0072b2"')
