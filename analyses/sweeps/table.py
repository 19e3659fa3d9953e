"""The table of a sweep: one row a model, Apache Parquet, schema documented and versioned here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.files import write_whole
from mechprobe.models.base.reading import refuse_odd
from mechprobe.models.base.validation import known_version
from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.quick import MEASURE

TABLE_VERSION = 1
TABLE_FILE = "results.parquet"
EVIDENCE = "evidence_"  # before the name of a column that holds a number behind the label

LATER = {"collapsed"}  # columns that tables of earlier versions lack
# name: (type, meaning); null where it does not apply.
COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "model": (pa.string(), "name, unique in the sweep"),
    "architecture": (pa.string(), "one of the paper's six"),
    "T": (pa.int32(), "alphabet size"),
    "L": (pa.int32(), "sequence length without BOS"),
    "d": (pa.int32(), "width of the embeddings"),
    "p": (pa.int32(), "hidden neurons"),
    "seed": (pa.int64(), "of initial weights and training data"),
    "lr": (pa.float64(), "peak learning rate"),
    "steps": (pa.int32(), "optimiser steps"),
    "batch": (pa.int32(), "sequences a step"),
    "schedule": (pa.string(), "of the learning rate: cosine or constant"),
    "diverged_at": (pa.int32(), "step at which training met a number that is not finite"),
    "collapsed": (
        pa.bool_(),
        "one and the same answer to all test data: training lost the count and met no such number",
    ),
    "validation_accuracy": (pa.float64(), "share of right answers, what `chosen` rests on"),
    "accuracy": (pa.float64(), "share of right answers on test data that chose nothing"),
    "chosen": (pa.bool_(), "best learning rate of its architecture, d, p and seed"),
    "mechanism": (pa.string(), ", ".join(COUNTING.kinds)),
    "attention": (pa.string(), ", ".join(ATTENTION.kinds)),
    "counters": (pa.int32(), "groups of tokens that carry each other's counts"),
    "confidence": (pa.float64(), "calibrated probability that the mechanism is right"),
    "agreement": (pa.float64(), "bootstrap replicates with the same mechanism"),
    "attention_agreement": (pa.float64(), "bootstrap replicates with the same attention"),
    "reasons": (pa.list_(pa.string()), "the rule's sentences"),
    "tokens": (pa.list_(pa.string()), "kind of every token: shared, private, ..."),
    "kappa": (pa.list_(pa.float32()), "count transport of every token"),
    "rule": (pa.string(), "version of rule and calibration"),
    "problem": (pa.string(), "why there is no label, in one line"),
    "model_hash": (pa.string(), "fingerprint of configuration and weights"),
}


def to_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table: the columns above, then evidence and measures as 64-bit floats by name.

    Args:
        rows: one dictionary a model; a column that is left out is null.

    Raises:
        MechprobeError: a column that is none of the above, no evidence and no measure.
    """
    extra = sorted({name for row in rows for name in row} - COLUMNS.keys())
    for name in extra:
        _refuse_unknown(name, "sweep table: ")
    fields = [pa.field(n, t, metadata={"meaning": text}) for n, (t, text) in COLUMNS.items()]
    fields += [pa.field(name, pa.float64()) for name in extra]
    schema = pa.schema(fields, metadata={"mechprobe_table": str(TABLE_VERSION)})
    return pa.Table.from_pylist(list(rows), schema=schema)


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a table, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    table = to_table(rows)
    write_whole(path, lambda temporary: pq.write_table(table, temporary))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a table.

    Raises:
        MechprobeError: no such file, not a table of a sweep, of another version, or with columns
            that are none of ours.
    """
    try:
        refuse_odd(path)
        table = pq.read_table(path)
        schema = {name: table.schema.field(name).type for name in table.schema.names}
    except FileNotFoundError:
        raise MechprobeError(f"{path}: no such table; let the sweep finish first") from None
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise MechprobeError(f"{path}: not a readable table ({_first_line(error)})") from None
    found = (table.schema.metadata or {}).get(b"mechprobe_table", b"").decode("utf-8", "replace")
    try:
        known_version(int(found) if found.isdecimal() and len(found) < 20 else found, TABLE_VERSION)
    except ValueError as error:
        raise MechprobeError(f"{path}: {error}") from None
    for name, (kind, _) in COLUMNS.items():
        if schema.get(name, kind if name in LATER else None) != kind:
            raise MechprobeError(
                f"{path}: column {name}: {schema.get(name, 'nothing')} stands there, {kind} is"
                " wanted; not a table of ours"
            )
    for name in schema.keys() - COLUMNS.keys():
        _refuse_unknown(name, f"{path}: ")
        if schema[name] != pa.float64():
            raise MechprobeError(
                f"{path}: column {name}: {schema[name]} stands there, {pa.float64()} is wanted;"
                " not a table of ours"
            )
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except (ValueError, pa.ArrowException) as error:  # texts that are none
        raise MechprobeError(f"{path}: not a readable table ({_first_line(error)})") from None
    return rows


def rows_in(path: Path) -> int:
    """How many rows a table has, its content not looked at; 0 where there is no such table."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return 0


def is_extra(name: str) -> bool:
    """Whether a column is evidence or a measure, beside those that every table has."""
    return name.startswith(EVIDENCE) or MEASURE in name


def _refuse_unknown(name: str, where: str) -> None:
    if not is_extra(name):
        raise MechprobeError(f"{where}column {short(name)!r} is unknown; not a table of ours")


def read_frame(path: Path) -> pd.DataFrame:
    """The rows of a sweep's table as a data frame; lists stay lists, missing numbers are NaN.

    Raises:
        MechprobeError: no such file, not a table of a sweep, or of another version.
    """
    return pd.DataFrame(read_rows(path))


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
