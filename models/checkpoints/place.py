"""Where a checkpoint is: a folder, or a single file of weights that says little of itself."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import CONFIG_FILE, has, inside, read_json
from mechprobe.models.base.safe.weight_files import ENDINGS, TORCH, read_tensors
from mechprobe.models.base.weights import Weights

MAPPING_FILE = "mapping.toml"


@dataclass(frozen=True)
class Place:
    """What a path leads to.

    Args:
        path: as it was given.
        folder: that exists: the path, or what the file lies in.
        file: name of the single file that was given; None for a folder.
        config: what the folder's config.json holds; empty without one, and for a file.
        mapping: a file that says which name is which part (`from_torch`): that which was given,
            or one that lies beside a file of weights; None where there is none.
    """

    path: Path
    folder: Path
    file: str | None
    config: Mapping[str, Any]
    mapping: Path | None = None


def place_of(path: Path, mapping: Path | None = None) -> Place:
    """Look where a path leads.

    Args:
        path: of a folder or a file of weights.
        mapping: of names, where one is given.

    Raises:
        MechprobeError: no such folder, a file that is none of weights, or a damaged config.json.
    """
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            os.scandir(path).close()  # whether it may be looked into
    except (FileNotFoundError, ValueError):  # a null byte is in no name
        raise MechprobeError(f"{path}: no such checkpoint folder") from None
    except OSError as error:  # it may be there, but cannot be entered, or the name is too long
        raise MechprobeError(f"{path}: cannot be read ({error.strerror})") from None
    if stat.S_ISDIR(kind):
        config = read_json(path, CONFIG_FILE) if has(path, CONFIG_FILE) else {}
        return Place(path, path, None, config, mapping or _mapping(path, only_weights_file(path)))
    if stat.S_ISREG(kind) and path.suffix in ENDINGS:
        beside = mapping or _mapping(path.parent, path.name)
        return Place(path, path.parent, path.name, {}, beside)
    raise MechprobeError(
        f"{path}: is a file, and none of weights by its name ({', '.join(ENDINGS)}); give such a"
        " file, or the folder of a checkpoint"
    )


def _mapping(folder: Path, weights: str | None) -> Path | None:
    """The mapping beside a file of weights: of its own name, or of its folder's."""
    if weights is None:
        return None
    names = (Path(weights).with_suffix(".toml").name, MAPPING_FILE)
    return next((folder / name for name in names if has(folder, name)), None)


def torch_files(folder: Path) -> list[str]:
    """Names of the files that may be torch's, sorted."""
    return _with(folder, TORCH)


def only_weights_file(folder: Path) -> str | None:
    """Name of the file of weights, of any kind, in a folder with a single one."""
    names = _with(folder, ENDINGS)
    return names[0] if len(names) == 1 else None


def _with(folder: Path, endings: tuple[str, ...]) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(endings))
    except OSError:
        return []


def weights_of(place: Place, usual: str) -> tuple[Path, Mapping[str, Any]]:
    """The torch file of a place and the configuration that belongs to it.

    Args:
        place: a file, a folder with config.json, or one with a single torch file.
        usual: name of the file that config.json speaks of.

    Raises:
        MechprobeError: the file is not one that can be read, or config.json is damaged.
    """
    folder, name, config = place.folder, place.file, place.config
    if name is None:
        name = usual if config else only_torch_file(folder)
    elif name == usual and has(folder, CONFIG_FILE):
        config = read_json(folder, CONFIG_FILE)
    return inside(folder, name or usual), config


def only_torch_file(folder: Path) -> str | None:
    """Name of the torch file of a folder without config.json; None where it has several."""
    names = torch_files(folder)
    return names[0] if len(names) == 1 and not has(folder, CONFIG_FILE) else None


def holds(file: Path, theirs: Callable[[Iterable[str]], bool]) -> bool:
    """Whether a torch file's tensors have names that a code gives; no numbers are loaded.

    Args:
        file: in a folder.
        theirs: whether names are of that code; prefixes of wrapped modules are tried without.

    Raises:
        MechprobeError: it is damaged, or holds no state dict.
    """

    def look(header: Weights) -> None:
        if theirs(header):
            raise _TheirsError
        raise _OtherError("names of another code")

    try:
        read_tensors(file, look)
    except _TheirsError:
        return True
    except _OtherError:
        pass
    return False


class _TheirsError(Exception):
    """The names are known; nothing is loaded."""


class _OtherError(MechprobeError):
    """They are not."""
