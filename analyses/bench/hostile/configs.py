"""Ways to make a checkpoint's configuration bad."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mechprobe.analyses.bench.hostile.bases import Base

# Makes the checkpoint in a folder bad; draws what it is free to choose.
Mutation = Callable[[Path, Base, np.random.Generator], None]

MIB = 2**20


def _edited(change: Callable[[dict[str, Any], Base, np.random.Generator], None]) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / base.config
        config = json.loads(file.read_text())
        change(config, base, rng)
        file.write_text(json.dumps(config))

    return mutate


def _size(value: object) -> Mutation:
    def change(config: dict[str, Any], base: Base, rng: np.random.Generator) -> None:
        config[str(rng.choice(base.sizes))] = value

    return _edited(change)


def _drop(config: dict[str, Any], base: Base, rng: np.random.Generator) -> None:
    del config[str(rng.choice(base.required))]


def _one_more(config: dict[str, Any], base: Base, rng: np.random.Generator) -> None:
    config[str(rng.choice(base.sizes))] += 1


def _text(content: Callable[[str, Base], str | bytes]) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / base.config
        changed = content(file.read_text(), base)
        file.write_bytes(changed.encode() if isinstance(changed, str) else changed)

    return mutate


def _with(raw: str) -> Mutation:
    """Raw JSON put in place of the first size."""

    def content(text: str, base: Base) -> str:
        config = json.loads(text)
        config[base.sizes[0]] = "@"
        return json.dumps(config).replace('"@"', raw)

    return _text(content)


CONFIGS: dict[str, Mutation] = {
    "config-key-dropped": _edited(_drop),
    "config-size-one-more": _edited(_one_more),
    "config-size-zero": _size(0),
    "config-size-negative": _size(-3),
    "config-size-text": _size("6"),
    "config-size-fraction": _size(6.5),
    "config-key-twice": _text(lambda t, base: t.replace("{", f'{{"{base.sizes[0]}": 6, ', 1)),
    "config-size-true": _size(True),
    "config-size-null": _size(None),
    "config-size-list": _size([6]),
    "config-size-object": _size({"a": 6}),
    "config-size-90000": _size(90_000),
    "config-size-1e9": _size(10**9),
    "config-size-1e30": _size(10**30),
    "config-size-digits": _with("9" * 20_000),
    "config-size-nan": _with("NaN"),
    "config-size-infinity": _with("-Infinity"),
    "config-size-1e999": _with("1e999"),
    "config-size-deep": _with("[" * 500 + "]" * 500),
    "config-deep-list": _text(lambda text, base: "[" * 400_000),
    "config-deep-object": _text(lambda text, base: '{"a":' * 150_000 + "1" + "}" * 150_000),
    "config-deep-whole": _text(lambda t, base: t[:-2] + ', "a": ' + "[" * 900 + "]" * 900 + "}"),
    "config-empty": _text(lambda text, base: b""),
    "config-half": _text(lambda text, base: text[: len(text) // 2]),
    "config-list": _text(lambda text, base: f"[{text}]"),
    "config-text": _text(lambda text, base: json.dumps(text)),
    "config-number": _text(lambda text, base: "6"),
    "config-utf-16": _text(lambda text, base: text.encode("utf-16")),
    "config-latin-1": _text(lambda t, base: t.replace("{", '{"ü": 1, ', 1).encode("latin-1")),
    "config-surrogate": _text(lambda t, base: t.replace("{", '{"\\ud800": "\\udfff", ', 1)),
    "config-size-long-text": _size("6" * 900_000),
    "config-escapes": _edited(
        lambda c, base, rng: c.update({str(rng.choice(base.sizes)): "\x1b[2J"})
    ),
    "config-zeros": _text(lambda text, base: b"\x00" * 1000),
    "config-2-mib": _text(lambda t, base: t.replace("{", '{"a": "' + "x" * 2 * MIB + '", ', 1)),
    "config-blanks": _text(lambda text, base: text + " " * 2 * MIB),
}
# Of formats that know all keys.
STRICT: dict[str, Mutation] = {
    "config-many-unknown": _edited(
        lambda c, base, rng: c.update({f"x{i}": 0 for i in range(9_000)})
    ),
    "config-family-long": _edited(lambda c, base, rng: c.update(family="x" * 900_000, more=1)),
}
