"""Damage to what a structured text file says: JSON and TOML that are whole, but wrong."""

import json
import tomllib
from pathlib import Path
from random import Random
from typing import Any

import tomli_w

from mechprobe.analyses.bench.fuzz.values import NAMES, RAW, SCALARS

# Stands where raw text goes.
HOLE = "@hole@"


def damage_json(file: Path, rng: Random) -> str:
    """Change one place of a JSON file; says what was done.

    A file that is damaged already is cut in two.
    """
    try:
        tree = json.loads(file.read_text())
    except (ValueError, RecursionError):
        return _cut(file)
    raw: str | None = rng.choice((*[None] * 4 * len(RAW), *RAW))
    tree, told = _changed(tree, rng, HOLE if raw is not None else None)
    text = json.dumps(tree)
    if raw is not None:
        text = text.replace(json.dumps(HOLE), raw)
        told += f" to {raw[:20]}"
    elif rng.randint(0, 9) == 0 and isinstance(tree, dict) and tree:
        key = rng.choice(sorted(tree, key=str))
        text = f"{text[:-1]}, {json.dumps(key)}: {json.dumps(rng.choice(SCALARS))}}}"
        told += f", {key[:20]!r} doubled"
    if rng.randint(0, 19) == 0:
        text = "\ufeff" + text
    file.write_text(text, encoding="utf-8")
    return f"{file.name}: {told}"


def damage_toml(file: Path, rng: Random) -> str:
    """Change one place of a TOML file; says what was done."""
    try:
        tree = tomllib.loads(file.read_text())
        changed, told = _changed(tree, rng, None)
        text = tomli_w.dumps(changed)
    except (ValueError, TypeError, AttributeError, RecursionError):  # no TOML has None
        return _cut(file)
    if rng.randint(0, 9) == 0:
        lines = [line for line in text.splitlines() if " = " in line] or ["x = 1"]
        line = rng.choice(lines)
        value = rng.choice(("9" * 5000, "[" * 400 + "]" * 400, "1979-13-01", "nan", ""))
        text = text.replace(line, f"{line.split(' = ')[0]} = {value}", 1)
        told += f", {line[:20]!r} to {value[:20]}"
    file.write_text(text, encoding="utf-8")
    return f"{file.name}: {told}"


def _cut(file: Path) -> str:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return f"{file.name}: cut in two"


def _changed(tree: Any, rng: Random, hole: str | None) -> tuple[Any, str]:
    """A tree with one place changed, found by going down a few levels."""
    holder: Any = None
    key: Any = None
    where = "$"
    place = tree
    while isinstance(place, (dict, list)) and place and (holder is None or rng.random() < 0.5):
        holder = place
        keys = sorted(place, key=str) if isinstance(place, dict) else range(min(len(place), 50))
        key = rng.choice(list(keys))
        place, where = holder[key], f"{where}.{str(key)[:30]}"
    value = hole if hole is not None else rng.choice(SCALARS)
    if holder is None:
        return value, "all replaced"
    how = "replaced" if hole is not None else rng.choice(HOWS)
    if how == "removed":
        del holder[key]
    elif how == "renamed" and isinstance(holder, dict):
        holder[rng.choice(NAMES)] = holder.pop(key)
    elif how == "added" and isinstance(holder, dict):
        holder[rng.choice(NAMES)] = value
    elif how == "near" and isinstance(place, (int, float)) and not isinstance(place, bool):
        holder[key] = place + rng.choice((-1, 1, 0.5, -2 * place, 1e9))
    else:
        holder[key] = value
    return tree, f"{where} {how} ({str(value)[:20]!r})"


HOWS = ("replaced", "replaced", "removed", "renamed", "added", "near", "near")
