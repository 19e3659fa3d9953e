"""Damage to Parquet files that are whole, but hold the wrong table."""

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HOWS = (
    "dropped", "renamed", "text", "lists", "nulls", "negative", "huge", "nan", "bytes", "twice",
    "no rows", "rows twice", "dates",
)  # fmt: skip


def damage_parquet(file: Path, rng: Random) -> str:
    """Change one column, or the rows; says what was done."""
    try:
        table = pq.read_table(file)
    except Exception:  # damaged before
        file.write_bytes(file.read_bytes()[:-8])
        return f"{file.name}: its end cut"
    names = table.column_names
    if not names:
        return f"{file.name}: had no columns"
    name: str = rng.choice(names)
    how: str = rng.choice(HOWS)
    pq.write_table(_changed(table, names.index(name), how), file)
    return f"{file.name}: {name} {how}"


def _changed(table: Any, index: int, how: str) -> Any:
    name, rows = table.column_names[index], table.num_rows
    match how:
        case "dropped":
            return table.remove_column(index)
        case "renamed":
            return table.rename_columns(
                [n if i != index else "\x1b[2J" for i, n in enumerate(table.column_names)]
            )
        case "twice":
            return table.append_column(name, table.column(index))
        case "no rows":
            return table.slice(0, 0)
        case "rows twice":
            return pa.concat_tables([table, table])
        case "bytes":
            # Text columns of files from elsewhere need not be UTF-8.
            raw = pa.array([b"\xff\xfe"] * rows, pa.binary())
            return table.set_column(index, name, raw.view(pa.string()))
    columns = {
        "text": lambda: pa.array(["<b>x"] * rows),
        "lists": lambda: pa.array([[1, 2]] * rows),
        "nulls": lambda: pa.nulls(rows),
        "negative": lambda: pa.array([-1] * rows),
        "huge": lambda: pa.array([2**62] * rows),
        "nan": lambda: pa.array([float("nan")] * rows),
        "dates": lambda: pa.array([0] * rows, pa.timestamp("s")),
    }
    return table.set_column(index, name, columns[how]())
