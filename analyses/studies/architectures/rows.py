"""What is compared: a row of numbers for every model, and the models beside their base."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

from mechprobe.probes.results import ModelResult

Axis = Literal["mechanism", "attention"]
BASE = "base"  # the variation that changes nothing


@dataclass(frozen=True)
class Row:
    """One model; None where a quantity is not defined for it.

    Args:
        name: of the model in its run.
        base: architecture that is varied.
        variation: what is changed, "base" for nothing.
        seed: of training.
        accuracy: share of right answers.
        mechanism, attention: both axes of the label.
        confidence: probability that the mechanism is right.
        attention_agreement: share of bootstrap replicates with the same attention.
        kappa: mean count transport.
        counters: groups of tokens that carry each other's counts.
        writer_block, writer_head, writer_share: head that writes most of the count, and how much.
        writers: heads that write COVER of it together (probe count-path).
        elsewhere: most that goes by way of other positions.
        reader_block, reader_share: feed-forward layer that reads most of the count.
        head_share: most that a head of a later block reads.
        right: pairs with both answers right; on these the four above rest.
        first_own, first_kappa: with several blocks, slope on the own count after the first one's
            attention, and kappa there; the label looks after the last one's.
        positional, semantic, cross, residual: shares of the scores' variance.
    """

    name: str
    base: str
    variation: str
    seed: int
    accuracy: float | None
    mechanism: str | None
    confidence: float | None
    attention: str | None
    attention_agreement: float | None
    kappa: float | None
    counters: int | None
    writer_block: float | None
    writer_head: float | None
    writer_share: float | None
    writers: float | None
    elsewhere: float | None
    reader_block: float | None
    reader_share: float | None
    head_share: float | None
    right: float | None
    first_own: float | None
    first_kappa: float | None
    positional: float | None
    semantic: float | None
    cross: float | None
    residual: float | None

    @property
    def solved(self) -> bool:
        """Whether it has a counting mechanism."""
        return self.mechanism not in (None, "unsolved")


PATH = {
    "writer_block": "writer_block",
    "writer_head": "writer_head",
    "writer_share": "writer_share",
    "writers": "writers",
    "elsewhere": "elsewhere",
    "reader_block": "mlp_block",
    "reader_share": "mlp_share",
    "head_share": "head_share",
    "right": "right",
}
FIRST = ("first_own", "first_kappa")
SHARES = ("positional", "semantic", "cross", "residual")


def row(result: ModelResult) -> Row:
    """A model's numbers; a probe that is missing leaves its numbers undefined.

    Args:
        result: of a model whose meta data say base, variation and seed.
    """
    label = result.label
    measured = {probe.probe: probe.metrics for probe in result.probes}

    def value(probe: str, metric: str) -> float | None:
        return measured[probe][metric].value if probe in measured else None

    return Row(
        name=result.name,
        base=result.meta["base"],
        variation=result.meta["variation"],
        seed=result.meta["seed"],
        accuracy=label.accuracy,
        mechanism=label.mechanism,
        confidence=label.confidence,
        attention=label.attention,
        attention_agreement=label.attention_agreement,
        kappa=label.evidence["kappa"].value,
        counters=label.counters,
        **{name: value("count-path", metric) for name, metric in PATH.items()},
        **{name: value("count-by-block", name) for name in FIRST},
        **{name: value("attention-sources", f"{name}_share") for name in SHARES},
    )


def to_csv(rows: Sequence[Row]) -> str:
    """A line for each model, names of the columns first; empty where not defined."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


@dataclass(frozen=True)
class Comparison:
    """All models, by base and variation.

    Args:
        rows: of the models there are.
        bases, variations: in the order in which they are shown.
        seeds: models wanted of each.
        about: sizes and training, a clause each.
    """

    rows: Sequence[Row]
    bases: Sequence[str]
    variations: Sequence[str]
    seeds: int
    about: Sequence[str] = ()

    def group(self, base: str, variation: str) -> list[Row]:
        """Models of one base and variation, by seed."""
        found = [r for r in self.rows if (r.base, r.variation) == (base, variation)]
        return sorted(found, key=lambda r: r.seed)

    def kinds(self, base: str, variation: str, axis: Axis) -> Counter[str]:
        """How many solved models have which label."""
        solved = [r for r in self.group(base, variation) if r.solved]
        return Counter(kind for r in solved if (kind := getattr(r, axis)) is not None)

    def usual(self, base: str, axis: Axis) -> str | None:
        """The base's own label: the most common one; None where none is, or two are."""
        found = self.kinds(base, BASE, axis).most_common(2)
        if not found or (len(found) == 2 and found[0][1] == found[1][1]):
            return None
        return found[0][0]

    def differing(self, base: str, variation: str, axis: Axis = "mechanism") -> Counter[str] | None:
        """Labels of the solved models that have another one than is usual for their base; None
        where the base has no usual one."""
        usual = self.usual(base, axis)
        if usual is None:
            return None
        found = self.kinds(base, variation, axis)
        del found[usual]
        return found
