"""The cells of the maps: models of one architecture, d and p together."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from mechprobe.analyses.studies.counting_phase_diagram.contents import in_order
from mechprobe.analyses.studies.counting_phase_diagram.kinds import (
    KINDS,
    NO_LABEL,
    RELATION,
    SEVERAL,
    UNSOLVED,
    class_of,
)
from mechprobe.analyses.sweeps.table import EVIDENCE

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One cell; None where no model has the number.

    Args:
        architecture, d, p: which.
        rows: indices of all its models in the table.
        models: how many of them are chosen; only these count from here on.
        accuracy, least, most: mean, least and greatest accuracy.
        kind: class of the most frequent label; see `vote`.
        share: part of the chosen models with that label.
        ties: other labels just as frequent.
        confidence: mean confidence of the models with that label.
        counters: median over solved models.
    """

    architecture: str
    d: int
    p: int
    rows: tuple[int, ...]
    models: int
    accuracy: float | None
    least: float | None
    most: float | None
    kind: str
    share: float
    ties: tuple[str, ...]
    confidence: float | None
    counters: float | None

    @property
    def key(self) -> str:
        """Its name in addresses."""
        return f"{self.architecture},{self.d},{self.p}"


def cells_of(rows: Sequence[Row]) -> list[Cell]:
    """All cells of a table, architectures in the paper's order, d and p rising."""
    together: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        together[row["architecture"], row["d"], row["p"]].append(index)
    rank = {name: i for i, name in enumerate(in_order(name for name, _, _ in together))}
    keys = sorted(together, key=lambda key: (rank[key[0]], key[1], key[2]))
    return [_cell(key, together[key], rows) for key in keys]


def vote(chosen: Sequence[Row]) -> tuple[str, tuple[str, ...], list[Row]]:
    """The class of a cell, the labels that tie with it, and the models with its label.

    The most frequent label wins, models without one counting as "no label"; of labels just as
    frequent the one named first in `KINDS`. A relation-based cell has several counters where more
    of its relation-based models do than do not.

    Args:
        chosen: the cell's chosen models.
    """
    labels = [class_of(row.get("mechanism"), None) for row in chosen]
    counts = Counter(labels)
    if not counts:
        return NO_LABEL, (), []
    most = max(counts.values())
    first, *ties = [kind for kind in KINDS if counts[kind] == most]
    behind = [row for row, label in zip(chosen, labels, strict=True) if label == first]
    if first == RELATION:
        several = sum(class_of(RELATION, row.get("counters")) == SEVERAL for row in behind)
        first = SEVERAL if 2 * several > len(behind) else RELATION
    return first, tuple(ties), behind


def _cell(key: tuple[str, int, int], indices: Sequence[int], rows: Sequence[Row]) -> Cell:
    chosen = [rows[i] for i in indices if rows[i].get("chosen")]
    accuracies = _known(chosen, "accuracy")
    kind, ties, behind = vote(chosen)
    confidences = _known(behind, "confidence")
    solved = [row for row in chosen if row.get("mechanism") not in (None, UNSOLVED)]
    counters = _known(solved, "counters")
    architecture, d, p = key
    return Cell(
        architecture=architecture,
        d=d,
        p=p,
        rows=tuple(indices),
        models=len(chosen),
        accuracy=fmean(accuracies) if accuracies else None,
        least=min(accuracies, default=None),
        most=max(accuracies, default=None),
        kind=kind,
        share=len(behind) / len(chosen) if chosen else 0.0,
        ties=ties,
        confidence=fmean(confidences) if confidences else None,
        counters=median(counters) if counters else None,
    )


def chance(rows: Sequence[Row]) -> float | None:
    """Mean accuracy of the best constant answer, as the labels measured it; None if none did."""
    known = _known(rows, f"{EVIDENCE}chance")
    return fmean(known) if known else None


def lowest(rows: Sequence[Row]) -> float:
    """Lower end of the scale of accuracy: chance to the next 5 %, or 0 where it is not known."""
    known = chance(rows)
    return 0.0 if known is None else min(max(round(20 * known) / 20, 0.0), 0.95)


def _known(rows: Sequence[Row], column: str) -> list[float]:
    """The numbers of a column that are there."""
    values = [row.get(column) for row in rows]
    return [float(value) for value in values if value is not None and math.isfinite(value)]
