"""Tables of scores, for the terminal and for documentation."""

from collections.abc import Callable, Sequence

from mechprobe.analyses.bench.methods.needle import Needle
from mechprobe.analyses.bench.methods.registry import METHODS
from mechprobe.analyses.bench.methods.scorer import EVERY, Row

__all__ = ["by_part", "needle_table", "overview", "used"]


def overview(rows: Sequence[Row], part: str = EVERY) -> str:
    """A line a method, best first, as a Markdown table.

    Args:
        rows: scores of several methods.
        part: of the population.
    """
    some = sorted((row for row in rows if row.part == part), key=_order)
    head = (
        "method", "models", "wrong, fitted", "wrong, as it says", "area: relation", "area: other",
        "abstains", "calibration", "seconds",
    )  # fmt: skip
    body = [
        (
            row.method, str(row.models), _share(row.error, row.low, row.high),
            _share(row.said_error, row.said_low, row.said_high), _number(row.relation_area),
            _number(row.other_area), f"{row.abstained:.0%}", _number(row.calibration),
            _number(row.seconds, ".2g"),
        )
        for row in some
    ]  # fmt: skip
    return markdown(head, body)


def by_part(rows: Sequence[Row], said: bool = False) -> str:
    """Errors, a line a method and a column a part, as a Markdown table.

    Args:
        rows: scores of several methods.
        said: of the kinds that methods say themselves, in place of the fitted decision's.
    """
    parts = [part for part in dict.fromkeys(row.part for row in rows) if part != EVERY]
    order = [row.method for row in sorted((r for r in rows if r.part == EVERY), key=_order)]
    found = {(row.method, row.part): row for row in rows}
    sizes = {row.part: row.models for row in rows}

    def cell(method: str, part: str) -> str:
        row = found.get((method, part))
        if row is None:
            return ""
        if said:
            return _share(row.said_error, row.said_low, row.said_high)
        return _share(row.error, row.low, row.high)

    head = ("method", *(f"{part} ({sizes[part]})" for part in parts))
    return markdown(head, [(name, *(cell(name, part) for part in parts)) for name in order])


def used() -> str:
    """What every method is, and where it is from, as a Markdown table."""
    body = [(m.name, m.summary, m.source) for m in METHODS.values()]
    return markdown(("method", "what it looks at", "source"), body)


def needle_table(found: Sequence[Needle]) -> str:
    """The direction that DAS was to find, a line a setting, as a Markdown table."""
    columns: dict[str, Callable[[Needle], str]] = {
        "setting": lambda one: str(one.setting),
        "along W_in": lambda one: f"{one.known:.3f}",
        "best of DAS": lambda one: f"{one.best:.3f}",
        "fits that find it": lambda one: f"{one.hits} of {one.fits}",
        "nearest fit to W_in": lambda one: f"{one.nearest:.0f}°",
        "random direction": lambda one: f"{one.chance:.0f}°",
        "below 1/2 from a tilt of": lambda one: f"{one.half_width:g}°",
        "loss along W_in": lambda one: f"{one.loss_known:.2f}",
        "of the best fit": lambda one: f"{one.loss_fit:.2f}",
        "of no change": lambda one: f"{one.loss_nothing:.2f}",
        "highest in between": lambda one: f"{max(loss for _, _, loss in one.tilted):.2f}",
    }
    return markdown(
        tuple(columns), [tuple(cell(one) for cell in columns.values()) for one in found]
    )


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table with aligned columns."""
    rows = [head, *body]
    width = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, width, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def _order(row: Row) -> tuple[float, str]:
    return (2.0 if row.error is None else row.error, row.method)


def _share(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "—"
    return f"{100 * value:.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def _number(value: float | None, form: str = ".3f") -> str:
    return "—" if value is None else format(value, form)
