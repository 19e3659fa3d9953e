"""Rows of models as a shard's header keeps them, looked at before anybody counts on them."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from mechprobe.analyses.sweeps.table import COLUMNS, is_extra
from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.validation import shown

# What every row says; `chosen` is only known when all are there.
ALWAYS = (
    "model", "architecture", "T", "L", "d", "p", "seed", "lr", "steps", "batch", "schedule",
    "validation_accuracy", "accuracy",
)  # fmt: skip
Check = Callable[[Any], bool]


def check_rows(rows: Sequence[dict[str, Any]], where: str, hint: str) -> None:
    """Look whether rows say what the table wants.

    Args:
        rows: by column, as JSON gives them.
        where: what the message starts with.
        hint: what it ends with: what to do.

    Raises:
        MechprobeError: a value is missing, or is none for its column.
    """
    for row in rows:
        if (fault := _fault(row)) is not None:
            name = row.get("model")
            who = f"model {short(name)}: " if isinstance(name, str) else ""
            raise MechprobeError(f"{where}: {who}{fault}; {hint}")


def _fault(row: dict[str, Any]) -> str | None:
    for name in ALWAYS:
        if row.get(name) is None:
            return f"{name} is missing, {_CHECKS[name][1]} is wanted"
    for name, value in row.items():
        if name not in _CHECKS and not is_extra(name):
            return f"{short(name)} is no column of the table"
        check, wanted = _CHECKS.get(name, _EXTRA)
        if value is not None and not check(value):
            return f"{short(name)}: {shown(value)} stands there, {wanted} is wanted"
    return None


def _of(*kinds: type) -> Check:
    return lambda value: type(value) in kinds  # True is no number here


def _within(low: float, high: float, *kinds: type) -> Check:
    return lambda value: type(value) in kinds and low <= value <= high


def _list_of(check: Check) -> Check:
    return lambda value: type(value) is list and all(map(check, value))


_OF_TYPE: dict[pa.DataType, tuple[Check, str]] = {
    pa.string(): (_of(str), "a text"),
    pa.int32(): (_within(-(2**31), 2**31 - 1, int), "a whole number"),
    pa.int64(): (_within(-(2**63), 2**63 - 1, int), "a whole number"),
    pa.float64(): (_of(int, float), "a number"),
    pa.bool_(): (_of(bool), "true or false"),
    pa.list_(pa.string()): (_list_of(_of(str)), "a list of texts"),
    pa.list_(pa.float32()): (_list_of(_of(int, float, type(None))), "a list of numbers"),
}
_SHARE = (_within(0, 1, int, float), "a share from 0 to 1")
_CHECKS = {name: _OF_TYPE[kind] for name, (kind, _) in COLUMNS.items()} | {
    "validation_accuracy": _SHARE,
    "accuracy": _SHARE,
}
_EXTRA = _OF_TYPE[pa.float64()]
