"""Parts of a study's page: a heading, what it says, a figure where there is one, tables."""

from dataclasses import dataclass, field

from matplotlib.figure import Figure

from mechprobe.reports.figures import Image, to_data_uri

BUDGET = 100_000  # bytes of a figure; a few of them may take more than the hundreds of a report


@dataclass(frozen=True)
class Table:
    """Head and rows of text; the first cell of a row names it.

    Args:
        caption: what it is, also for those who do not see it.
        head, rows: cells.
        folded: whether it is shown only when asked for.
    """

    caption: str
    head: list[str]
    rows: list[list[str]]
    folded: bool = False


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Args:
        anchor, title: of its heading.
        says: paragraphs.
        image, alt: its figure, and the figure in words.
        tables: below.
    """

    anchor: str
    title: str
    says: list[str]
    image: Image | None = None
    alt: str = ""
    tables: list[Table] = field(default_factory=list)


def drawn(
    anchor: str, title: str, says: list[str], figure: Figure, alt: str, *tables: Table
) -> Part:
    """A part with a figure; the figure is empty afterwards."""
    return Part(anchor, title, says, to_data_uri(figure, BUDGET), alt, list(tables))
