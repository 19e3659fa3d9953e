"""The table inside the page: columns of JSON, small, and harmless in HTML."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from mechprobe.analyses.studies.counting_phase_diagram.cells import Cell, Row
from mechprobe.analyses.sweeps.table import COLUMNS, EVIDENCE
from mechprobe.probes.counting.kinds import TOKENS
from mechprobe.probes.counting.label.verdict import EVIDENCE as LABEL_EVIDENCE
from mechprobe.probes.quick import MEASURE
from mechprobe.probes.registry import all_probes

DIGITS = 4
SAFE_INTEGER = 2**53  # beyond it JavaScript's numbers skip some
NUMBER = re.compile(r"\d+(?:\.\d+)?")
# Shown for every model, in this order; "reasons", "tokens" and "kappa" have a form of their own.
SHOWN = [
    name
    for name in COLUMNS
    if name not in ("architecture", "T", "L", "d", "p", "reasons", "tokens", "kappa")
]


class Interned:
    """Values, each once; a value is known by its place."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, value: Any) -> int:
        """Where it stands, from now on."""
        found = self._places.setdefault(value, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


def _measured(columns: Sequence[str]) -> dict[str, str]:
    """What metrics mean, in the words of the probes that are registered here."""
    known = all_probes()
    found = {}
    for column in columns:
        probe, _, metric = column.partition(MEASURE)
        if probe in known and metric in known[probe].specs:
            found[column] = known[probe].specs[metric].description
    return found


def embedded(rows: Sequence[Row], cells: Sequence[Cell]) -> Markup:
    """The table as JSON for a `<script type="application/json">`.

    Strings are numbered; sentences are taken apart into words (numbered too) and the numbers in
    them, for thousands of reasons differ in their numbers alone.

    Args:
        rows: the sweep's table.
        cells: its cells, in the page's order.
    """
    strings, sentences = Interned(), Interned()
    extra = sorted({name for row in rows for name in row} - COLUMNS.keys())
    kinds = list(dict.fromkeys([*TOKENS, *(k for row in rows for k in row.get("tokens") or ())]))
    content = {
        "cells": [
            {"key": cell.key, "a": cell.architecture, "d": cell.d, "p": cell.p, "rows": cell.rows}
            for cell in cells
        ],
        "columns": {name: _column(rows, name, strings) for name in SHOWN},
        "evidence": {
            name.removeprefix(EVIDENCE): _column(rows, name, strings)
            for name in extra
            if name.startswith(EVIDENCE)
        },
        "measures": {
            name: _column(rows, name, strings)
            for name in extra
            if not name.startswith(EVIDENCE) and MEASURE in name
        },
        "reasons": [
            [_taken_apart(text, sentences) for text in row.get("reasons") or ()] for row in rows
        ],
        "sentences": sentences.values,
        "tokens": [[kinds.index(kind) for kind in row.get("tokens") or ()] for row in rows],
        "tokenKinds": kinds,
        "tokenMarks": {kind: item.mark for kind, item in TOKENS.items()},
        "kappa": [[plain(value) for value in row.get("kappa") or ()] for row in rows],
        "strings": strings.values,
        "meanings": {
            **{name: text for name, (*_, text) in LABEL_EVIDENCE.items()},
            **_measured([name for name in extra if not name.startswith(EVIDENCE)]),
        },
    }
    return safe_json(content)


def safe_json(content: Any) -> Markup:
    """JSON that cannot end its script element or start another, whatever strings it holds."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # Only ASCII without <, > and & is left, so that there is nothing to escape.
    return Markup(text)


def plain(value: float | int | None) -> float | int | str | None:
    """A number with four digits, None where it is not finite; no share below one becomes one.

    >>> plain(0.123456), plain(3.0), plain(0.99999), plain(float("nan")), plain(2**60)
    (0.1235, 3, 0.9999, None, '1152921504606846976')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else str(value)
    short = float(f"{value:.{DIGITS}g}")
    if short == 1 > value:
        short = 1 - 10.0**-DIGITS
    return int(short) if short.is_integer() and abs(short) < SAFE_INTEGER else short


def _column(rows: Sequence[Row], name: str, strings: Interned) -> dict[str, Any]:
    """The values of a column, and whether they are places of strings."""
    values = [row.get(name) for row in rows]
    if any(isinstance(value, str) for value in values):
        places = [None if value is None else strings.place(str(value)) for value in values]
        return {"text": 1, "values": places}
    if any(isinstance(value, bool) for value in values):
        return {"values": [None if value is None else int(value) for value in values]}
    return {"values": [plain(value) for value in values]}


def _taken_apart(text: str, sentences: Interned) -> list[Any]:
    """A sentence as the place of its words and the numbers between them."""
    return [sentences.place(tuple(NUMBER.split(text))), *NUMBER.findall(text)]
