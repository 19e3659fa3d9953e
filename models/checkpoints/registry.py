"""Checkpoint formats by name: a decorator for ours, the entry point group for others'."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from models.checkpoints.reading import CONFIG_FILE, has
from models.errors import MechprobeError, plain, short
from models.hooked import HookedTransformer

GROUP = "mechprobe.formats"


@runtime_checkable
class Reader(Protocol):
    """What reads one format."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """Whether a folder is of this format, by names of files and the configuration's keys.

        Args:
            folder: it exists.
            config: what config.json holds; empty where there is none.
        """
        ...

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model in a folder that was recognised.

        Raises:
            MechprobeError: damaged or hostile content; the message names the file.
        """
        ...


@dataclass(frozen=True)
class Format:
    """A registered format: its name, what it is in one line, and its reader."""

    name: str
    summary: str
    reader: Reader

    @property
    def package(self) -> str:
        """The installed package that brings it, with its version."""
        top = type(self.reader).__module__.split(".")[0]
        for distribution in packages_distributions().get(top, []):
            return f"{distribution} {version(distribution)}"
        return top


_FORMATS: dict[str, Format] = {}
Made = TypeVar("Made", bound=Reader)


def checkpoint_format(name: str, summary: str) -> Callable[[type[Made]], type[Made]]:
    """Register a class of readers; one is made, without arguments.

    Args:
        name: lower-case words with hyphens.
        summary: which files make the format and who writes them, in one line.

    Raises:
        MechprobeError: the name is none, or taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise MechprobeError(
            f"checkpoint format {short(repr(name))}: the name has to be lower-case words with"
            " hyphens"
        )

    def register(reader: type[Made]) -> type[Made]:
        if name in _FORMATS:
            raise MechprobeError(
                f"checkpoint format {name!r} is registered twice; choose another name"
            )
        _FORMATS[name] = Format(name, summary, reader())
        return reader

    return register


def formats() -> dict[str, Format]:
    """Every format by name, in the order they are asked.

    Those of installed packages come first: ours know a folder by a file's name alone, and their
    files may have the same names.
    """
    _import_own()
    load_plugins()
    order = sorted(_FORMATS.values(), key=lambda f: (_is_ours(f), f.name))
    return {found.name: found for found in order}


def format_of(folder: Path, config: Mapping[str, Any]) -> Format:
    """The first format that recognises a folder.

    Raises:
        MechprobeError: none does; says which are known, and which failed to look.
    """
    known = formats()
    failed = ""
    for found in known.values():
        try:
            if found.reader.recognises(folder, config):
                return found
        except Exception as error:  # others' readers may fail in any way; the next one is asked
            if _is_ours(found):
                raise
            failed += f"; {found.name} failed to look ({_reason(error)})"
    if not has(folder, CONFIG_FILE):
        raise MechprobeError(f"{folder}: no {CONFIG_FILE}; is this a checkpoint folder?{failed}")
    told = "; ".join(f"{f.name}: {f.summary}" for f in known.values())
    raise MechprobeError(f"{folder}: no weights here that are known; known formats: {told}{failed}")


def read_with(found: Format, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
    """Read a folder; whatever goes wrong is one line that names it.

    Raises:
        MechprobeError: the reader's own, or a line about how the reader failed.
    """
    who = f"{folder}: the reader of the format {found.name}"
    try:
        model: object = found.reader.read(folder, config)
    except MechprobeError as error:
        text = str(error)
        raise MechprobeError(text if plain(str(folder)) in text else f"{folder}: {text}") from None
    except Exception as error:  # others' readers may fail in any way
        raise MechprobeError(f"{who} failed ({_reason(error)})") from error
    if not isinstance(model, HookedTransformer):
        raise MechprobeError(f"{who} gave a {type(model).__name__}, a HookedTransformer is wanted")
    return model


def _reason(error: Exception) -> str:
    return short(" ".join(f"{type(error).__name__}: {error}".split()), 200)


@cache
def load_plugins() -> tuple[str, ...]:
    """Import the formats that installed packages announce.

    Returns:
        One line for each entry point that could not be loaded; the others are there.
    """
    _import_own()
    problems = [_load(point) for point in sorted(entry_points(group=GROUP), key=str)]
    return tuple(problem for problem in problems if problem is not None)


def _load(point: EntryPoint) -> str | None:
    before = set(_FORMATS)
    try:
        point.load()
    except Exception as error:  # a foreign package may fail in any way; ours must go on
        for name in set(_FORMATS) - before:
            del _FORMATS[name]
        return f"format package {point.value}: {type(error).__name__}: {error}; left out"
    return None


@cache
def _import_own() -> None:
    # Every format in this folder is a file; adding one needs no change here.
    package = importlib.import_module("models.checkpoints")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"models.checkpoints.{module}")


def _is_ours(found: Format) -> bool:
    return type(found.reader).__module__.startswith("models.checkpoints.")
