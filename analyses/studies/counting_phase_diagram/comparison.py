"""Our grid against the published one, cell by cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from mechprobe.analyses.studies.counting_phase_diagram.cells import Cell
from mechprobe.analyses.studies.counting_phase_diagram.contents import Published, in_order

WORST = 20  # cells listed


@dataclass(frozen=True)
class Difference:
    """One common cell; accuracies are shares.

    Args:
        cell: ours.
        published: mean accuracy there.
    """

    cell: Cell
    ours: float
    published: float

    @property
    def points(self) -> float:
        """Ours less the published one, in percentage points."""
        return 100 * (self.ours - self.published)


@dataclass(frozen=True)
class Agreement:
    """How one architecture (or all) compares, in points.

    Args:
        architecture: "all" for all of them.
        cells: common cells.
        mean_absolute, mean: differences averaged.
        largest: the difference that is largest in size.
    """

    architecture: str
    cells: int
    mean_absolute: float
    mean: float
    largest: Difference


def differences(cells: Sequence[Cell], published: Sequence[Published]) -> list[Difference]:
    """All cells with both accuracies, in the order of our cells."""
    known = {(row.architecture, row.d, row.p): row.accuracy for row in published}
    return [
        Difference(cell, cell.accuracy, known[cell.architecture, cell.d, cell.p])
        for cell in cells
        if cell.accuracy is not None and (cell.architecture, cell.d, cell.p) in known
    ]


def agreements(found: Sequence[Difference]) -> list[Agreement]:
    """One for each architecture, then one for all; empty where nothing is common."""
    if not found:
        return []
    names = in_order(difference.cell.architecture for difference in found)
    groups = {name: [x for x in found if x.cell.architecture == name] for name in names}
    return [_agreement(name, group) for name, group in (groups | {"all": list(found)}).items()]


def worst(found: Sequence[Difference], count: int = WORST) -> list[Difference]:
    """The largest differences, either way."""
    return sorted(found, key=lambda x: (-abs(x.points), x.cell.key))[:count]


def _agreement(name: str, group: Sequence[Difference]) -> Agreement:
    return Agreement(
        architecture=name,
        cells=len(group),
        mean_absolute=fmean(abs(x.points) for x in group),
        mean=fmean(x.points for x in group),
        largest=worst(group, 1)[0],
    )
