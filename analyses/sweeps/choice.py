"""Which learning rate is best, and the table of a whole sweep."""

from collections import defaultdict
from typing import Any


def chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark the best learning rate of every architecture, d, p and seed.

    The choice rests on the validation data, which no reported accuracy is of; the smaller rate
    wins a tie, and a model that diverged is only chosen where all did.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[(row["architecture"], row["d"], row["p"], row["seed"])].append(row)
    best = {
        max(
            group,
            key=lambda r: (r["diverged_at"] is None, r["validation_accuracy"], -r["lr"]),
        )["model"]
        for group in groups.values()
    }
    return [row | {"chosen": row["model"] in best} for row in rows]
