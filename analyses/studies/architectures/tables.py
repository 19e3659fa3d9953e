"""The table: a line for each base and variation, over its seeds."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from mechprobe.analyses.studies.architectures.rows import Comparison, Row
from mechprobe.analyses.studies.architectures.words import answers, fraction, kinds_text

HEAD = (
    "base", "variation", "accuracy", "counting", "differs", "confidence", "kappa", "first kappa",
    "counters",
    "attention", "pos / sem / cross %", "written by", "heads", "elsewhere", "read by",
)  # fmt: skip
NONE = "–"


def lines(comparison: Comparison) -> list[list[str]]:
    """Cells below HEAD, bases one after the other."""
    return [
        _line(comparison, base, variation)
        for base in comparison.bases
        for variation in comparison.variations
    ]


def markdown(comparison: Comparison) -> str:
    """Table and answer as a piece of a page."""
    rows = [HEAD, ["---"] * len(HEAD), *lines(comparison)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    answer = "\n".join(f"- {line}" for line in answers(comparison))
    return f"{'; '.join(comparison.about)}.\n\n{table}\n\n{answer}\n"


def _line(comparison: Comparison, base: str, variation: str) -> list[str]:
    rows = comparison.group(base, variation)
    label = Counter(r.mechanism or NONE for r in rows)
    return [
        base,
        variation,
        _range([r.accuracy for r in rows], "{:.3f}"),
        kinds_text(label) or NONE,
        fraction(comparison, base, variation),
        _range([r.confidence for r in rows if r.solved], "{:z.2f}"),
        _range([r.kappa for r in rows], "{:z.2f}"),
        _range([r.first_kappa for r in rows], "{:z.2f}"),
        _range([r.counters for r in rows], "{:.0f}"),
        kinds_text(Counter(r.attention or NONE for r in rows)) or NONE,
        _sources(rows),
        _component(
            [(r.writer_block, f"b{r.writer_block:.0f}.h{r.writer_head:.0f}", r.writer_share)
             for r in rows if r.writer_block is not None]
        ),
        _range([r.writers for r in rows], "{:.0f}"),
        _mean([r.elsewhere for r in rows]),
        _component(
            [(r.reader_block, f"b{r.reader_block:.0f}", r.reader_share)
             for r in rows if r.reader_block is not None]
        ),
    ]  # fmt: skip


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _range(values: Iterable[float | None], form: str) -> str:
    """Least to greatest over the seeds, once where they read alike."""
    known = _known(values)
    if not known:
        return NONE
    low, high = form.format(min(known)), form.format(max(known))
    return low if low == high else f"{low} to {high}"


def _mean(values: Iterable[float | None]) -> str:
    known = _known(values)
    return f"{np.mean(known):z.2f}" if known else NONE


def _sources(rows: Sequence[Row]) -> str:
    means = [_known(getattr(r, name) for r in rows) for name in ("positional", "semantic", "cross")]
    return " / ".join(f"{100 * np.mean(m):z.0f}" if m else NONE for m in means)


def _component(found: Sequence[tuple[float | None, str, float | None]]) -> str:
    """Components by how often they are the strongest, and their mean share."""
    if not found:
        return NONE
    names = Counter(name for _, name, _ in found)
    which = next(iter(names)) if len(names) == 1 else kinds_text(names)
    return f"{which}: {_mean(share for _, _, share in found)}"
