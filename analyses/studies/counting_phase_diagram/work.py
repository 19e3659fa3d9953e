"""The table of a sweep, swept first where there is none, beside bounds and published numbers."""

import csv
import io
import shlex
from collections.abc import Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.console import say, tell
from mechprobe.analyses.studies.counting_phase_diagram import published as paper
from mechprobe.analyses.studies.counting_phase_diagram.bounds import bounds
from mechprobe.analyses.studies.counting_phase_diagram.cells import Cell, cells_of
from mechprobe.analyses.studies.counting_phase_diagram.comparison import (
    agreements,
    differences,
    worst,
)
from mechprobe.analyses.studies.counting_phase_diagram.contents import PhaseDiagram
from mechprobe.analyses.studies.counting_phase_diagram.page import write_pages
from mechprobe.analyses.sweeps import Grid, sweep
from mechprobe.analyses.sweeps.store import GRID_FILE, Store
from mechprobe.analyses.sweeps.table import TABLE_FILE, read_rows, rows_in
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import printable, write_text

TABLE = "table.csv"
TITLE = "The counting phase diagram"
PACKAGES = ("mechprobe", "torch", "numpy", "matplotlib")
COLUMNS = (
    "architecture", "d", "p", "models", "accuracy_mean", "accuracy_min", "accuracy_max",
    "mechanism", "share", "confidence", "counters", "published_accuracy", "difference_points",
)  # fmt: skip
COARSE = Path(__file__).parent / "data" / "counting_coarse.toml"
SAID = 10  # worst cells on the terminal


def study(run: Path, command: str) -> PhaseDiagram:
    """A sweep's table with bounds and published numbers.

    Args:
        run: folder of the sweep.
        command: that makes the pages again.

    Raises:
        MechprobeError: no table there, no rows in it, or models of several T or L.
    """
    table = run / TABLE_FILE
    rows = read_rows(table)
    T, L = _sizes(rows, table)
    same = (T, L) == (paper.T, paper.L)
    return PhaseDiagram(
        title=f"{TITLE}: T = {T}, L = {L}",
        command=command,
        versions={name: installed(name) for name in PACKAGES},
        T=T,
        L=L,
        rows=rows,
        bounds=bounds(T, L),
        published=paper.published() if same else [],
        published_source=paper.SOURCE,
        left_out="" if same else _why_not(T, L),
        sweep=_sweep_command(run),
    )


def ensure_table(folder: Path, coarse: bool) -> None:
    """Finish a sweep that has no table yet, or only that of a smaller grid.

    Args:
        folder: of the sweep.
        coarse: whether the coarse grid is swept if nothing is there.

    Raises:
        MechprobeError: no sweep there, the folder holds something else, or another sweep is at
            work there.
    """
    table, begun = folder / TABLE_FILE, (folder / GRID_FILE).is_file()
    if table.is_file() and not begun:
        return
    grid = Grid.read(COARSE) if coarse and not begun else Store(folder).grid()
    done = "goes on" if begun else "begins"
    number = len(grid.members())
    if table.is_file() and (number <= rows_in(table) or not Store(folder).stored()):
        return
    say(f"{folder}: no table of it yet; its sweep of {number:,} models {done}")
    sweep(folder, grid)


def _sizes(rows: Sequence[dict[str, Any]], table: Path) -> tuple[int, int]:
    """The one T and L of a table whose rows all say which model they are."""
    if not rows:
        raise MechprobeError(f"{table}: the table is empty; let the sweep finish first")
    for row in rows:
        missing = [name for name in ("architecture", "T", "L", "d", "p") if row.get(name) is None]
        if missing:
            raise MechprobeError(f"{table}: model {row.get('model')!r} has no {missing[0]}")
    sizes = {(row["T"], row["L"]) for row in rows}
    if len(sizes) > 1:
        words = ", ".join(f"T={T} L={L}" for T, L in sorted(sizes))
        raise MechprobeError(f"{table}: models of one T and L are wanted, these have {words}")
    T, L = sizes.pop()
    return int(T), int(L)


def _why_not(T: int, L: int) -> str:
    return (
        f"There is no comparison: the published grid is for T = {paper.T}, L = {paper.L}, and this"
        f" sweep has T = {T}, L = {L}."
    )


def as_csv(result: PhaseDiagram) -> str:
    """One row a cell; accuracies are shares, the difference (ours less published) is in points."""
    cells = cells_of(result.rows)
    known = {x.cell.key: x for x in differences(cells, result.published)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in cells:
        x = known.get(cell.key)
        compared = (None, None) if x is None else (x.published, x.points)
        writer.writerow([_written(value) for value in (*_numbers(cell), *compared)])
    return text.getvalue()


def _numbers(cell: Cell) -> tuple[Any, ...]:
    return (
        cell.architecture, cell.d, cell.p, cell.models, cell.accuracy, cell.least, cell.most,
        cell.kind, cell.share, cell.confidence, cell.counters,
    )  # fmt: skip


def _written(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def summary(result: PhaseDiagram) -> str:
    """Agreement with the published grid, as text for a terminal."""
    found = differences(cells_of(result.rows), result.published)
    if not found:
        return result.left_out or "no cell of this sweep is among the published ones"
    lines = ["ours less the published grid, in points:"]
    lines += [
        f"  {line.architecture:9s} {line.cells:4d} cells, mean absolute difference"
        f" {line.mean_absolute:4.1f}, mean {line.mean:+5.1f}"
        for line in agreements(found)
    ]
    lines.append("worst cells:")
    lines += [
        f"  {x.cell.architecture:9s} d={x.cell.d:<4d} p={x.cell.p:<4d} {x.points:+6.1f}"
        f"  ({100 * x.ours:.1f} against {100 * x.published:.1f} %)"
        for x in worst(found, SAID)
    ]
    return "\n".join(lines)


def _sweep_command(run: Path) -> str:
    if not (run / GRID_FILE).is_file():
        return ""
    words = [
        "mechprobe",
        "sweep",
        "counting",
        *Store(run).grid().options(),
        "--out",
        printable(run),
    ]
    return shlex.join(words)


def run(folder: Path, coarse: bool, out: Path | None, command: str) -> int:
    """Read or make the table, write pages and cells, print a summary.

    Args:
        folder: of a sweep.
        coarse: whether the coarse grid is swept if nothing is there.
        out: where the pages go; None for the sweep's folder.
        command: that makes the pages again.

    Returns:
        The exit code.

    Raises:
        MechprobeError: there is no sweep, its table is of no use, or a file cannot be written.
    """
    ensure_table(folder, coarse)
    out = folder if out is None else out
    result = study(folder, command)
    written = write_pages(result, out)
    write_text(out / TABLE, as_csv(result))
    tell(summary(result))
    for path in [*written, out / TABLE]:
        tell(f"wrote {path}")
    return 0
