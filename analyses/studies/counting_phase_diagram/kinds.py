"""The classes of the mechanism map: their words, marks and colours."""

from dataclasses import dataclass

from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.counting.label.rule import SOLVED
from mechprobe.probes.drawing import BLUE, GREEN, PURPLE


@dataclass(frozen=True)
class Kind:
    """One class of cells (or of one model).

    Args:
        name: as it is written in tables.
        meaning: for the legend.
        mark: a letter, so that nobody needs the colours.
        colour: at full confidence.
        fades: whether a low confidence pales it.
    """

    name: str
    meaning: str
    mark: str
    colour: str
    fades: bool = True


RELATION, SEVERAL, NO_LABEL = "relation-based", "relation-based, several counters", "no label"
UNSOLVED, MIXED, INVENTORY = "unsolved", "mixed", "inventory-based"

# Of the kinds of counting that have no words of this study's own.
MARKS = {"opposed": "O", "positional": "P", "other": "X"}
OWN = (RELATION, MIXED, INVENTORY, UNSOLVED)

# In this order they win ties.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(RELATION, "tokens share one counter", "R", BLUE),
        Kind(SEVERAL, "groups of tokens share a counter each", "G", GREEN),
        Kind(
            MIXED,
            "neither: some tokens share a counter and others do not, or tokens follow each other's"
            " counts in part, or the checks disagree",
            "M",
            PURPLE,
        ),
        Kind(INVENTORY, "a look-up for every token", "I", "#e69f00"),
        *(
            Kind(name, kind.words, MARKS.get(name, name[0].upper()), kind.colour)
            for name, kind in COUNTING.kinds.items()
            if name not in OWN
        ),
        Kind(
            UNSOLVED,
            f"accuracy below {100 * SOLVED:g} %",
            "·",
            "#9aa1a9",
            fades=False,
        ),
        Kind(NO_LABEL, "the models could not be labelled", "?", "#ffffff", fades=False),
    )
}


def class_of(mechanism: str | None, counters: float | None) -> str:
    """The class of one model: its label, relation-based ones split by their counters.

    >>> class_of("relation-based", 1), class_of("relation-based", 3), class_of(None, None)
    ('relation-based', 'relation-based, several counters', 'no label')
    """
    if mechanism not in KINDS:
        return NO_LABEL
    several = mechanism == RELATION and counters is not None and counters > 1
    return SEVERAL if several else mechanism
