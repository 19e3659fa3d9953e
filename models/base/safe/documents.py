"""JSON and TOML of other people, bounded before anything is made of it; every reader's root.

Refused are what parsers let pass or end in: names that stand twice, NaN and infinite numbers, those
of hundreds of digits, nesting that later recursions could not follow, text that is no UTF-8. A
byte-order mark is skipped.
"""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.reading import opened
from mechprobe.models.base.safe.folders import inside

DOCUMENT_BYTES = 2**20  # of a configuration
DEPTH = 64
DIGITS = 300  # of a whole number: about as large as a double can be
TOO_LARGE = 10**DIGITS
_QUOTED = re.compile(r"""\"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")


def parse_json(content: bytes | str, finite: bool = True) -> Any:
    """What a JSON text says.

    Args:
        content: UTF-8.
        finite: whether NaN, infinite and huge numbers are refused; measured ones may be any.

    Raises:
        ValueError: it is none, or one of those this module refuses; says why.
    """
    constant = _no_constant if finite else float
    try:
        data = json.loads(_text(content), object_pairs_hook=_once, parse_constant=constant)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEPTH} levels") from None
    except ValueError as error:
        raise _plainer(error) from None
    _check_values(data, finite)
    return data


def parse_toml(content: bytes | str) -> dict[str, Any]:
    """What a TOML text says.

    Raises:
        ValueError: it is none, or one of those this module refuses; says why.
    """
    text = _text(content)
    # The time tomllib takes grows with the square of a dotted name's length.
    for line in text.splitlines():
        bare = _QUOTED.sub("", line)
        if bare.count(".") > DEPTH + bare.count(","):
            raise ValueError(f"nested deeper than {DEPTH} levels")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEPTH} levels") from None
    except ValueError as error:
        raise _plainer(error) from None
    _check_values(data)
    return data


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """An object out of a JSON file of at most 1 MiB in a folder.

    Raises:
        MechprobeError: no such file, not a regular one, or none that `parse_json` takes.
    """
    return _read(inside(folder, name), parse_json, "JSON")


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file of at most 1 MiB.

    Raises:
        MechprobeError: no such file, or none that `parse_toml` takes.
    """
    return _read(file, parse_toml, "TOML")


def _read(file: Path, parse: Callable[[bytes], Any], kind: str) -> dict[str, Any]:
    try:
        with opened(file) as stream:
            content = stream.read(DOCUMENT_BYTES + 1)
    except OSError as error:
        raise MechprobeError(f"{file}: cannot be read ({error.strerror})") from None
    if len(content) > DOCUMENT_BYTES:
        raise MechprobeError(f"{file}: larger than {DOCUMENT_BYTES:,} bytes, that is no config")
    try:
        data = parse(content)
    except ValueError as error:
        raise MechprobeError(f"{file}: not readable {kind} ({short(error, 200)})") from None
    if not isinstance(data, dict):
        raise MechprobeError(f"{file}: holds a {type(data).__name__}, an object is wanted")
    return data


def _text(content: bytes | str) -> str:
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    return text.removeprefix("\N{BYTE ORDER MARK}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if found.pop(name, names) is names)
        raise ValueError(f"the name {short(again)!r} stands there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _plainer(error: ValueError) -> ValueError:
    # Python names a setting of its own, which is no help.
    many = "integer string conversion" in str(error)
    return ValueError("a whole number has thousands of digits") if many else error


def _check_values(data: object, finite: bool = True) -> None:
    """Nesting that later recursions can follow; strings that can be printed; finite numbers."""
    todo: list[tuple[object, int, str]] = [(data, 0, "")]
    while todo:
        value, depth, name = todo.pop()
        if depth > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH} levels")
        if isinstance(value, str):
            value.encode("utf-8")  # a lone surrogate is no text
        elif isinstance(value, float):
            if finite and not abs(value) < float("inf"):
                raise ValueError(f"{name}a number is not finite")
        elif isinstance(value, int):
            if finite and abs(value) >= TOO_LARGE:
                raise ValueError(f"{name}a whole number has more than {DIGITS} digits")
        elif isinstance(value, list):
            todo += ((item, depth + 1, name) for item in value)
        elif isinstance(value, dict):
            for key, item in value.items():
                key.encode("utf-8")
                todo.append((item, depth + 1, f"{short(key)}: "))
