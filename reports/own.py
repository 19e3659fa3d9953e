"""Sections of one's own in a report: a figure, a table, or HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from mechprobe.models import MechprobeError
from mechprobe.reports.figures import to_data_uri
from mechprobe.reports.formatting import number
from mechprobe.reports.parts import BUDGET, Part, Table

Rows = pd.DataFrame | Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Own:
    """One of them.

    Args:
        part: heading, paragraphs, figure, tables.
        html: trusted, after the paragraphs.
        tags: words to find it by.
    """

    part: Part
    html: Markup
    tags: list[str]


def with_figure(
    anchor: str, title: str, figure: Figure, says: str, alt: str, tags: Sequence[str]
) -> Own:
    """A section with a figure, which is empty afterwards.

    Raises:
        MechprobeError: the figure cannot be drawn.
    """
    try:
        image = to_data_uri(figure, BUDGET)
    except Exception as error:  # whatever its artists raise
        raise MechprobeError(f"report: the figure {title!r} cannot be drawn ({error})") from error
    return Own(Part(anchor, title, _said(says), image, alt or title), Markup(""), list(tags))


def with_table(anchor: str, title: str, rows: Rows, says: str, tags: Sequence[str]) -> Own:
    """A section with a table: a column for each key, numbers to three digits.

    Raises:
        MechprobeError: it has no columns.
    """
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if frame.columns.empty:
        raise MechprobeError(f"report: the table {title!r} has no columns")
    body = [[_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    table = Table(title, [str(name) for name in frame.columns], body)
    return Own(Part(anchor, title, _said(says), tables=[table]), Markup(""), list(tags))


def with_html(anchor: str, title: str, html: str, tags: Sequence[str]) -> Own:
    """A section with HTML as it is; the page's policy lets no script or style in it act."""
    return Own(Part(anchor, title, []), Markup(html), list(tags))


def _said(text: str) -> list[str]:
    return [paragraph for paragraph in text.split("\n\n") if paragraph.strip()]


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "–" if value is None or value is pd.NA or value is pd.NaT else str(value)
    return number(value)
