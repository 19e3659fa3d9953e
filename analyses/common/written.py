"""Tables for other programs: CSV, Markdown, LaTeX, Parquet, as text or as a file.

CSV and Parquet hold numbers as they are; Markdown and LaTeX show what a reader sees in a table.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mechprobe.models.base.errors import MechprobeError, plain
from mechprobe.models.base.files import write_text, write_whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "SUFFIXES", "format_of", "write_table"]


def as_csv(frame: "pd.DataFrame") -> str:
    """Comma-separated values with a line of headings; what is missing is empty."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def as_markdown(frame: "pd.DataFrame") -> str:
    """A table of GitHub's Markdown, its columns aligned in the source as well."""
    rows = [[_in_markdown(cell) for cell in row] for row in _shown(frame)]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def as_latex(frame: "pd.DataFrame") -> str:
    """A tabular with the rules of the package booktabs."""
    head, *rows = _shown(frame)
    shown = type(frame)(rows, columns=head)
    style = shown.style.format(escape="latex").format_index(escape="latex", axis=1).hide(axis=0)
    text: str = style.to_latex(hrules=True)
    return text


# As text; Parquet is no text.
FORMATS: dict[str, Callable[["pd.DataFrame"], str]] = {
    "csv": as_csv,
    "md": as_markdown,
    "latex": as_latex,
}
SUFFIXES = {
    ".csv": "csv",
    ".md": "md",
    ".tex": "latex",
    ".json": "json",
    ".parquet": "parquet",
}


def format_of(path: Path) -> str:
    """The format that a file's name says.

    Raises:
        MechprobeError: its suffix says none.
    """
    if (found := SUFFIXES.get(path.suffix.lower())) is None:
        raise MechprobeError(
            f"{path}: what kind of table? end its name in one of {', '.join(SUFFIXES)}"
        )
    return found


def write_table(frame: "pd.DataFrame", path: Path, form: str) -> None:
    """Write a table whole or not at all.

    Args:
        frame: the table; Parquet keeps its `attrs`, with the units of its columns, too.
        path: of the file.
        form: "parquet", or one of `FORMATS`.

    Raises:
        MechprobeError: it cannot be written.
    """
    if form == "parquet":
        write_whole(path, lambda temporary: frame.to_parquet(temporary, index=False))
    else:
        write_text(path, FORMATS[form](frame))


def _shown(frame: "pd.DataFrame") -> list[list[str]]:
    """Headings and rows as text; what is missing is empty."""
    missing = frame.isna()
    rows = zip(frame.to_numpy().tolist(), missing.to_numpy().tolist(), strict=True)
    shown = [
        ["" if empty else _text(cell) for cell, empty in zip(row, gaps, strict=True)]
        for row, gaps in rows
    ]
    return [[str(name) for name in frame.columns], *shown]


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else plain(str(cell))


def _in_markdown(cell: str) -> str:
    # Signs that would end a cell or be read as marks or tags.
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", cell)
