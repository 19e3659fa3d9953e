"""Maps as the template draws them: squares over ordered d and p, bounds as lines, legends."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mechprobe.analyses.studies.counting_phase_diagram.cells import Cell, lowest
from mechprobe.analyses.studies.counting_phase_diagram.colours import (
    accuracy_colour,
    counters_colour,
    ink,
    mechanism_colour,
)
from mechprobe.analyses.studies.counting_phase_diagram.contents import Bound, PhaseDiagram, in_order
from mechprobe.analyses.studies.counting_phase_diagram.kinds import KINDS, RELATION, SEVERAL
from mechprobe.reports.formatting import counted, percent

SIDE = 26  # of a square
LEFT, TOP, RIGHT, BOTTOM = 48, 24, 24, 42
LETTER = 6.6  # width of a letter of a label, at 11 pixels, generously
TITLE = 7.2  # of an axis' title, at 12 pixels
ASIDE = 3  # between lines that fall on the same edge


@dataclass(frozen=True)
class Square:
    """One cell of a map.

    Args:
        index: of the cell.
        x, y: upper left corner.
        fill, mark, ink: colour (empty where there is nothing to show), letter in it, and the
            letter's colour.
        says: the cell in words.
    """

    index: int
    x: int
    y: int
    fill: str
    mark: str
    ink: str
    says: str


@dataclass(frozen=True)
class Line:
    """A path; `kind` is "t" for T and "bound" for the others, `label` stands beside its end."""

    path: str
    kind: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """One map, everything in pixels.

    Args:
        name, title: for anchors, and above it.
        rows: squares from the greatest d to the least, p rising in each.
        left, right: ends of the squares; beyond them are the labels.
        columns, lines_of_d: (position, text) of the tick labels.
        below, beside: what p and d are, in as many words as there is room for.
    """

    name: str
    title: str
    left: int
    right: int
    width: int
    height: int
    rows: list[list[Square]]
    columns: list[tuple[float, str]]
    lines_of_d: list[tuple[float, str]]
    below: str
    beside: str
    lines: list[Line]


@dataclass(frozen=True)
class Panel:
    """The maps of one architecture, with its cells' indices and bounds."""

    architecture: str
    anchor: str
    maps: list[Map]
    cells: list[Cell]
    bounds: list[Bound]
    says: str


# A cell's fill, mark and words.
Look = Callable[[Cell], tuple[str, str, str]]


def panels(study: PhaseDiagram, cells: Sequence[Cell]) -> list[Panel]:
    """Three maps for each architecture: accuracy, mechanism, counters."""
    made, least = [], lowest(study.rows)
    for i, name in enumerate(in_order(cell.architecture for cell in cells)):
        own = {index: cell for index, cell in enumerate(cells) if cell.architecture == name}
        bounds = [bound for bound in study.bounds if bound.architecture == name]
        maps = [
            _map(kind, title, own, study, bounds, look)
            for kind, title, look in (
                ("accuracy", "Mean accuracy", lambda cell: _accuracy(cell, least)),
                ("mechanism", "Mechanism", _mechanism),
                ("counters", "Number of counters", lambda cell: _counters(cell, study.T)),
            )
        ]
        made.append(Panel(name, f"a{i}", maps, list(own.values()), bounds, _summary(own)))
    return made


def axes_of(cells: Sequence[Cell]) -> tuple[list[int], list[int]]:
    """The values of d and p that occur, rising."""
    return sorted({cell.d for cell in cells}), sorted({cell.p for cell in cells})


def place(values: Sequence[int], least: int) -> int | None:
    """How many values lie below `least`; None where all or none do, so that no line parts them."""
    below = sum(value < least for value in values)
    return below if 0 < below < len(values) else None


def corner(ds: Sequence[int], ps: Sequence[int], bound: Bound) -> tuple[int, int] | None:
    """Edges (of d, of p) from which a bound's region starts; None where it cuts nothing off."""
    from_d = sum(d < bound.d for d in ds)
    from_p = sum(p < bound.p for p in ps)
    if from_d == len(ds) or from_p == len(ps) or (from_d, from_p) == (0, 0):
        return None
    return from_d, from_p


def _map(
    name: str,
    title: str,
    own: Mapping[int, Cell],
    study: PhaseDiagram,
    bounds: Sequence[Bound],
    look: Look,
) -> Map:
    ds, ps = axes_of(list(own.values()))
    width, height = len(ps) * SIDE, len(ds) * SIDE
    rows: list[list[Square]] = [[] for _ in ds]
    for index, cell in own.items():
        fill, mark, says = look(cell)
        row = len(ds) - 1 - ds.index(cell.d)
        x, y = LEFT + ps.index(cell.p) * SIDE, TOP + row * SIDE
        text = f"d = {cell.d}, p = {cell.p}: {says}"
        rows[row].append(Square(index, x, y, fill, mark, ink(fill or "white"), text))
    lines = _lines(ds, ps, study.T, bounds)
    # Labels at the end of a line stand beside the map, and as wide as they are.
    ends = [4 + math.ceil(LETTER * len(line.label)) for line in lines if line.x >= LEFT + width]
    wide, high = LEFT + width + max(RIGHT, *ends, 0), TOP + height + BOTTOM
    return Map(
        name=name,
        title=title,
        left=LEFT,
        right=LEFT + width,
        width=wide,
        height=high,
        rows=rows,
        columns=[(LEFT + (i + 0.5) * SIDE, str(p)) for i, p in enumerate(ps)],
        lines_of_d=[(TOP + height - (i + 0.5) * SIDE, str(d)) for i, d in enumerate(ds)],
        below=_fitting(wide, "p, hidden neurons", "p, neurons"),
        beside=_fitting(high, "d, width of the embeddings", "d, width"),
        lines=lines,
    )


def _fitting(room: float, words: str, fewer: str) -> str:
    return words if TITLE * len(words) <= room else fewer


def _lines(ds: Sequence[int], ps: Sequence[int], T: int, bounds: Sequence[Bound]) -> list[Line]:
    """d = T and p = T right through, then each bound as the corner of its region.

    Lines on the same edge have one label, the first of them carries it.
    """
    right, bottom = LEFT + len(ps) * SIDE, TOP + len(ds) * SIDE
    at_d, at_p = place(ds, T), place(ps, T)
    known = [(bound, found) for bound in bounds if (found := corner(ds, ps, bound))]
    beside: dict[int, list[str]] = {} if at_d is None else {at_d: ["T"]}
    above: dict[int, list[str]] = {} if at_p is None else {at_p: ["T"]}
    for bound, (from_d, from_p) in known:
        if from_d:
            beside.setdefault(from_d, []).append(str(bound.d))
        elif from_p != at_p:
            above.setdefault(from_p, []).append(str(bound.p))

    def label(labels: dict[int, list[str]], edge: int) -> str:
        return ", ".join(dict.fromkeys(labels.pop(edge, [])))

    lines = []
    if at_d is not None:
        y = bottom - at_d * SIDE
        lines.append(Line(f"M{LEFT} {y}H{right}", "t", label(beside, at_d), right + 4, y + 4))
    if at_p is not None:
        x = LEFT + at_p * SIDE
        lines.append(Line(f"M{x} {TOP}V{bottom}", "t", label(above, at_p), x, TOP - 5))
    for _, (from_d, from_p) in known:
        # Beside the lines of T where they would cover each other; they still part the same cells.
        x = LEFT + from_p * SIDE + (ASIDE if from_p == at_p else 0)
        y = bottom - from_d * SIDE + (ASIDE if from_d == at_d else 0)
        path = f"M{x} {TOP}V{y}H{right}" if from_p else f"M{LEFT} {y}H{right}"
        if from_d:
            lines.append(Line(path, "bound", label(beside, from_d), right + 4, y + 4))
        else:
            path = f"M{x} {TOP}V{bottom}"
            lines.append(Line(path, "bound", label(above, from_p), x, TOP - 5))
    return lines


def _accuracy(cell: Cell, least: float) -> tuple[str, str, str]:
    if cell.accuracy is None:
        return "", "", f"{_models(cell)}, no accuracy"
    says = f"{percent(cell.accuracy)} over {_models(cell)}"
    if cell.least != cell.most:
        says += f" ({percent(cell.least)} to {percent(cell.most)})"
    return accuracy_colour(cell.accuracy, least), "", says


def _mechanism(cell: Cell) -> tuple[str, str, str]:
    label = RELATION if cell.kind == SEVERAL else cell.kind
    says = f"{label} in {percent(cell.share, 0)} of {_models(cell)}"
    if cell.kind == SEVERAL:
        says += ", most of these with several counters"
    if cell.ties:
        says += f" (just as often: {', '.join(cell.ties)})"
    if cell.confidence is not None:
        says += f", mean confidence {percent(cell.confidence, 0)}"
    return mechanism_colour(cell.kind, cell.confidence), KINDS[cell.kind].mark, says


def _counters(cell: Cell, T: int) -> tuple[str, str, str]:
    if cell.counters is None:
        return "", "", "no solved model"
    count = f"{cell.counters:g}"  # a median of whole numbers: a half at most
    says = f"{counted(cell.counters, 'counter')} (median of solved models)"
    return counters_colour(cell.counters, T), count, says


def _models(cell: Cell) -> str:
    return counted(cell.models, "model")


def _summary(own: Mapping[int, Cell]) -> str:
    known = [cell for cell in own.values() if cell.accuracy is not None]
    good = sum((cell.accuracy or 0) >= 0.99 for cell in known)
    counts = {kind: sum(cell.kind == kind for cell in own.values()) for kind in KINDS}
    kinds = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    return (
        f"{counted(len(own), 'cell')}: {kinds}. In {good} the mean accuracy is 99\u00a0% or more."
    )
