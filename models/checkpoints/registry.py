"""Checkpoint formats by name, and which of them a folder is of."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from mechprobe.models.base.errors import MechprobeError, begins_with, short
from mechprobe.models.base.registry import Registry, guarded, is_ours, refuse_lacking
from mechprobe.models.base.safe.reading import CONFIG_FILE, has
from mechprobe.models.hooked import HookedTransformer


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


FORMATS: Registry[Format] = Registry(
    "checkpoint format",
    "mechprobe.formats",
    ["mechprobe.models.checkpoints.*", "mechprobe.models.families.*.formats.*"],
)
Made = TypeVar("Made", bound=type)


def checkpoint_format(name: str, summary: str) -> Callable[[Made], Made]:
    """Register a class of readers; one is made, without arguments.

    Args:
        name: lower-case words with hyphens.
        summary: which files make the format and who writes them, in one line.

    Raises:
        MechprobeError: the name is none, or taken.
    """

    def register(reader: Made) -> Made:
        refuse_lacking(f"checkpoint format {name!r}", reader, ("recognises", "read"))
        FORMATS.add(name, Format(name, summary, reader()), reader.__module__)
        return reader

    return register


def formats() -> dict[str, Format]:
    """Every format by name, in the order they are asked.

    Those of installed packages come first: ours know a folder by a file's name alone, and their
    files may have the same names.
    """
    known = sorted(FORMATS.registered().items(), key=lambda item: (item[1].is_ours, item[0]))
    return {name: found.entry for name, found in known}


def format_of(folder: Path, config: Mapping[str, Any]) -> Format:
    """The first format that recognises a folder.

    Raises:
        MechprobeError: none does; says which are known, and which failed to look.
    """
    known = formats()
    failed = ""
    for found in known.values():
        try:
            if _recognises(found, folder, config):
                return found
        except MechprobeError as error:  # others' readers may fail in any way; the next is asked
            if is_ours(type(found.reader).__module__):
                raise
            failed += f"; {short(error, 200)}"
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
        with guarded(f"{who} failed", type(found.reader).__module__):
            # A copy: what one reader does to it is not what the next one sees.
            model: object = found.reader.read(folder, deepcopy(config))
    except MechprobeError as error:
        text = str(error)
        raise MechprobeError(text if begins_with(text, folder) else f"{folder}: {text}") from None
    if not isinstance(model, HookedTransformer):
        raise MechprobeError(f"{who} gave a {type(model).__name__}, a HookedTransformer is wanted")
    return model


def _recognises(found: Format, folder: Path, config: Mapping[str, Any]) -> bool:
    with guarded(f"{found.name} failed to look", type(found.reader).__module__):
        return bool(found.reader.recognises(folder, deepcopy(config)))
