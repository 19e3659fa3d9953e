"""What the pages are made of: the table of a sweep, bounds to draw in, published numbers."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

# As the paper's figure 2 lays them out: with softmax, then without.
ORDER = ("bos+sftm", "dot+sftm", "lin+sftm", "bos", "dot", "lin")


class Schema(BaseModel):
    """Frozen, and nothing beyond its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(Schema):
    """Sizes from which theory has a solution, or room for one.

    Args:
        architecture: whose maps it is drawn in.
        d: least width.
        p: least number of neurons that it is about; 1 for any.
        formula: the width as a formula.
        says: what it means, a sentence without its full stop.
    """

    architecture: str
    d: int
    p: int
    formula: str
    says: str


class Published(Schema):
    """One published mean accuracy, as a share."""

    architecture: str
    d: int
    p: int
    accuracy: float


class PhaseDiagram(Schema):
    """Everything the pages show.

    Args:
        command: that makes the pages again.
        T, L: alphabet size and sequence length of all models.
        rows: the sweep's table, a dictionary a model (columns: `mechprobe.analyses.sweeps.table`).
        published: empty where the comparison is left out.
        published_source: where they are from, a sentence.
        left_out: why there is no comparison; empty where there is one.
        sweep: the command that made the table; empty where that is not known.
    """

    title: str
    command: str
    versions: dict[str, str]
    T: int
    L: int
    rows: list[dict[str, Any]]
    bounds: list[Bound]
    published: list[Published]
    published_source: str
    left_out: str
    sweep: str = ""


def in_order(architectures: Iterable[str]) -> list[str]:
    """Each architecture once, in the paper's order; others follow by name."""
    found = set(architectures)
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))
