"""The numbers that a result rests on: when one of them changes, what is stored is out of date.

Constants are module-level names in capitals. Those behind a function are its own module's and
those of every module of ours that it draws on, found by following names: nobody keeps a list.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from types import ModuleType

# Where measuring and deciding is done; what files look like, what is refused and how much is done
# at once are no constants of a measurement.
MEASURING = ("mechprobe.probes", "mechprobe.models.tasks")
NOT_MEASURING = (
    "mechprobe.probes.results",
    "mechprobe.probes.drawing",
    "mechprobe.probes.checking",
)
FOR_TYPES = "TYPE_CHECKING"  # of `typing`, whatever module asks for it


def constants_behind(module: str) -> dict[str, object]:
    """Every number, or tuple of numbers, in force behind a module, by "module.NAME".

    Args:
        module: its full name.
    """
    return {
        f"{name}.{key}": value
        for name in _modules_behind(module)
        for key, value in sorted(vars(sys.modules[name]).items())
        if key.isupper() and key != FOR_TYPES and _is_numeric(value)
    }


def digest(constants: Mapping[str, object]) -> str:
    """Eight hex digits that change with any of the numbers."""
    text = json.dumps(constants, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@cache
def _modules_behind(module: str) -> tuple[str, ...]:
    if module not in sys.modules:
        with suppress(ImportError):  # of code that was run and not imported
            import_module(module)
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name in sys.modules:
            found.add(name)
            waiting += _drawn_on(sys.modules[name])
    return tuple(sorted(found))


def _drawn_on(module: ModuleType) -> Iterator[str]:
    own = module.__name__.split(".")[0]
    for value in vars(module).values():
        if hasattr(value, "__path__"):
            continue  # what a package holds depends on what was imported so far
        name = value.__name__ if isinstance(value, ModuleType) else _home(value)
        measuring = name.startswith(MEASURING) and not name.startswith(NOT_MEASURING)
        # Packages of others may keep constants in files of their own.
        others = own != "mechprobe" and name.split(".")[0] == own
        if measuring or others:
            yield name


def _home(value: object) -> str:
    name = getattr(value, "__module__", "")
    return name if isinstance(name, str) else ""


def _is_numeric(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_numeric(part) for part in value)
    return isinstance(value, (int, float))
