"""A sweep in a few lines of text."""

from collections import Counter
from typing import Any

from mechprobe.analyses.common.text import columns


def summary(rows: list[dict[str, Any]]) -> str:
    """Mean accuracy and mechanisms of every architecture, best learning rates only."""
    lines = [["architecture", "chosen", "accuracy", "mechanisms"]]
    best = [row for row in rows if row["chosen"]]
    for name in dict.fromkeys(row["architecture"] for row in best):
        own = [row for row in best if row["architecture"] == name]
        kinds = Counter(row.get("mechanism") or "no label" for row in own)
        if lost := sum(row.get("collapsed") is True for row in own):
            kinds["unsolved"] -= lost
            kinds["collapsed to a constant answer"] = lost
            kinds = +kinds
        said = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=lambda k: -k[1]))
        mean = sum(row["accuracy"] for row in own) / len(own)
        lines.append([name, str(len(own)), f"{mean:.3f}", said])
    return columns(lines)
