"""Names of models in a run, from the paths of their checkpoints."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mechprobe.models.base.errors import plain
from mechprobe.models.base.files import printable

__all__ = ["names_for", "place_of"]

LONGEST = 100  # bytes
DIGITS = 8


def names_for(paths: Sequence[Path], taken: Mapping[str, str]) -> list[str]:
    """A name for every checkpoint: its folder's, with those above it where others are called alike.

    A model keeps the name that it has in the run, whatever comes to it. New names do not depend on
    the order of the paths, and differ on file systems that ignore case, too.

    Args:
        paths: of checkpoints; those that lead to one folder have one name.
        taken: names in the run, and the places of their checkpoints, as `place_of` gives them.

    Returns:
        Names in the order of the paths.
    """
    homes = [os.path.realpath(path) for path in paths]
    places = Counter(place_of(home) for home in dict.fromkeys(homes))
    # A place that stands for two folders, whose names are no text, says of neither which it is.
    kept = {place: name for name, place in taken.items() if places[place] == 1}
    named = {home: kept[place_of(home)] for home in homes if place_of(home) in kept}
    new = [home for home in dict.fromkeys(homes) if home not in named]
    candidates = {home: list(_candidates(home)) for home in new}
    wanted = Counter(_key(one) for many in candidates.values() for one in many)
    used = {_key(name) for name in taken}
    for home in new:
        free = [c for c in candidates[home] if wanted[_key(c)] == 1 and _key(c) not in used]
        named[home] = free[0] if free else _with_digest(home)
    return [named[home] for home in homes]


def place_of(path: str | Path) -> str:
    """Where a checkpoint lies, links followed, as text. Relative ones are from where we are."""
    return printable(os.path.realpath(path))


def _candidates(home: str) -> Iterable[str]:
    """The folder's name, and with ever more of those above."""
    parts = [_text(part) for part in Path(home).parts[1:]] or ["model"]
    for first in reversed(range(len(parts))):
        name = "-".join(parts[first:])
        if len(name.encode()) > LONGEST:
            return
        yield name


def _with_digest(home: str) -> str:
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:DIGITS]
    begin = _text(Path(home).name).encode()[: LONGEST - DIGITS - 1].decode(errors="ignore")
    return f"{begin or 'model'}-{digest}"


def _text(part: str) -> str:
    return plain(printable(part))


def _key(name: str) -> str:
    """Alike for names that some file systems take for one."""
    return unicodedata.normalize("NFC", name.casefold())
