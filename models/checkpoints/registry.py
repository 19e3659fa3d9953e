"""Checkpoint formats by name, and which of them a folder is of."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from mechprobe.models.base.errors import MechprobeError, begins_with, short
from mechprobe.models.base.registry import Registry, guarded, is_ours, refuse_lacking
from mechprobe.models.base.safe.reading import CONFIG_FILE, has
from mechprobe.models.checkpoints.asking import Settings, asked
from mechprobe.models.checkpoints.place import (
    MAPPING_FILE,
    Place,
    only_weights_file,
    torch_files,
)
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


@runtime_checkable
class FileReader(Reader, Protocol):
    """A reader that also takes a single file, and what a user says of it; these methods are
    optional, and `read` is not called where they are there."""

    def recognises_file(self, file: Path) -> bool:
        """Whether a torch file that was given by itself is of this format.

        Raises:
            MechprobeError: it is damaged.
        """
        ...

    def read_place(self, place: Place, settings: Settings) -> HookedTransformer:
        """The model in a folder or a file that was recognised.

        Args:
            place: where it is.
            settings: what the user says of it; empty if nothing.

        Raises:
            MechprobeError: damaged or hostile content, settings that contradict it, or one that
                is lacking; says which.
        """
        ...


@runtime_checkable
class PlaceReader(FileReader, Protocol):
    """A file reader that looks at the whole place, and not at names of files alone; optional."""

    def recognises_place(self, place: Place) -> bool:
        """Whether what is there is of this format.

        Raises:
            MechprobeError: it is damaged.
        """
        ...


@runtime_checkable
class Claiming(Protocol):
    """A reader that knows where files say how good a model is; optional."""

    def claimed(self, place: Place) -> float | None:
        """Share of right answers, in [0, 1], that the files claim; None where none says one."""
        ...

    @property
    def advice(self) -> str:
        """What to look at where a model is far from that, or no better than a constant answer,
        in one clause; empty if nothing is peculiar to the format."""
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


def format_of(place: Place) -> Format:
    """The first format that recognises a place.

    Raises:
        MechprobeError: none does; says which are known, and which failed to look.
    """
    known = formats()
    failed = ""
    for found in known.values():
        try:
            if _recognises(found, place):
                return found
        except MechprobeError as error:  # others' readers may fail in any way; the next is asked
            if is_ours(type(found.reader).__module__):
                raise
            failed += f"; {short(error, 200)}"
    told = "; ".join(f"{f.name}: {f.summary}" for f in known.values())
    if place.file is not None:
        raise MechprobeError(
            f"{place.path}: not a file that a known code writes; {way_out(place)}; known formats:"
            f" {told}{failed}"
        )
    files = torch_files(place.folder)
    if not has(place.folder, CONFIG_FILE):
        if len(files) > 1:
            listed = ", ".join(short(name) for name in files[:3]) + ", ..." * (len(files) > 3)
            raise MechprobeError(
                f"{place.path}: holds {len(files)} torch files ({listed}) and no {CONFIG_FILE};"
                f" give one of them{failed}"
            )
        raise MechprobeError(f"{place.path}: no {CONFIG_FILE}; {way_out(place)}{failed}")
    raise MechprobeError(
        f"{place.path}: no weights here that are known; known formats: {told}{failed}"
    )


def way_out(place: Place) -> str:
    """What to do with what no format knows."""
    file = place.file or only_weights_file(place.folder)
    if file is None:
        return "is this a checkpoint folder?"
    if place.file is not None and has(place.folder, CONFIG_FILE):
        return "give the folder it lies in"
    own = Path(file).with_suffix(".toml").name
    return (
        f"if {short(file)} holds a model of your own, say which of its names is which part in"
        f" {short(own)} or {MAPPING_FILE} beside it (docs/own_models.md): embed ="
        ' "tok", qkv = "blocks.{block}.attn.qkv", ...'
    )


def _recognises(found: Format, place: Place) -> bool:
    reader = found.reader
    with guarded(f"{found.name} failed to look", type(reader).__module__):
        if isinstance(reader, PlaceReader):
            return bool(reader.recognises_place(place))
        if place.file is None:
            # A copy: what one reader does to it is not what the next one sees.
            return bool(reader.recognises(place.folder, deepcopy(place.config)))
        if not isinstance(reader, FileReader):
            return False
        return bool(reader.recognises_file(place.folder / place.file))


def read_with(found: Format, place: Place, settings: Settings) -> HookedTransformer:
    """Read what is there; whatever goes wrong is one line that names it.

    Args:
        found: its format.
        place: where it is.
        settings: what the user says of it.

    Raises:
        MechprobeError: the reader's own, or a line about how the reader failed.
    """
    who = f"{place.path}: the reader of the format {found.name}"
    reader = found.reader
    try:
        with guarded(f"{who} failed", type(reader).__module__):
            mine = replace(place, config=deepcopy(place.config))
            model: object = (
                reader.read_place(mine, settings)
                if isinstance(reader, FileReader)
                else reader.read(mine.folder, mine.config)
            )
        if not isinstance(model, HookedTransformer):
            raise MechprobeError(
                f"{who} gave a {type(model).__name__}, a HookedTransformer is wanted"
            )
        if settings and not isinstance(reader, FileReader):
            model = asked(model, settings)
    except MechprobeError as error:
        text = str(error)
        there = begins_with(text, place.path) or begins_with(text, place.folder)
        raise MechprobeError(text if there else f"{place.path}: {text}") from None
    return model


def claim_of(found: Format, place: Place) -> tuple[float | None, str]:
    """How good the files claim the model to be (None where they say nothing, or nothing that is a
    share), and what the format advises where it is not."""
    if not isinstance(found.reader, Claiming):
        return None, ""
    advice = str(found.reader.advice)
    try:
        with guarded(f"{found.name} failed to look", type(found.reader).__module__):
            claim: object = found.reader.claimed(place)
    except MechprobeError:  # what is said beside a model keeps nobody from reading it
        return None, advice
    return (claim if isinstance(claim, float) and 0 <= claim <= 1 else None), advice
