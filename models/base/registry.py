"""Things by name: probes, formats, families, tasks, constructions, studies.

One registry a kind. Ours come from files in known rooms of the package, others' from installed
packages that name a module under the kind's entry point group; both are imported when a name is
first asked for. A new thing of ours is a new file in its room and no edit anywhere else.
"""

import difflib
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import (
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    version,
)
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable
from weakref import WeakSet

from mechprobe.models.base.errors import MechprobeError, one_line, short
from mechprobe.models.base.foreign import foreign
from mechprobe.models.base.lazy import importing

Entry = TypeVar("Entry")
HYPHENS = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
OURS = "mechprobe"
MOST = 30  # names that a message lists


@runtime_checkable
class Point(Protocol):
    """An entry point; setuptools and others bring classes of their own for it."""

    @property
    def value(self) -> str:
        """What is loaded, "module" or "module:object"."""
        ...

    def load(self) -> Any:
        """Import it."""
        ...


_LOADING = threading.RLock()  # who asks while another thread loads waits for the whole
_EVERY: "WeakSet[Registry[object]]" = WeakSet()


@dataclass(frozen=True)
class Registered(Generic[Entry]):
    """An entry and the module that brought it."""

    entry: Entry
    module: str

    @property
    def source(self) -> str:
        """The distribution that brings it, with its version, or else the module."""
        return package_of(self.module)

    @property
    def is_ours(self) -> bool:
        """Whether it comes with this package."""
        return is_ours(self.module)


class Registry(Mapping[str, Entry]):
    """Entries of one kind by name; a mapping that loads itself when it is first looked into.

    Args:
        kind: what one is called in messages, such as "probe".
        group: entry point group of installed packages, such as "mechprobe.probes".
        rooms: modules of ours that register entries; `*` stands for every module in a package.
        form: what a name looks like, and in words; any name will do without.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        rooms: Collection[str],
        form: tuple[re.Pattern[str], str] | None = (HYPHENS, "lower-case words with hyphens"),
    ) -> None:
        self.kind = kind
        self.group = group
        self.rooms = tuple(rooms)
        self.form = form
        self._known: dict[str, Registered[Entry]] = {}
        self._own_loaded = False
        self._problems: tuple[str, ...] | None = None
        _EVERY.add(self)  # type: ignore[arg-type]

    def add(self, name: str, entry: Entry, module: str) -> None:
        """Register an entry.

        Args:
            name: what it is looked up by.
            entry: the thing itself.
            module: `__module__` of the function or class that makes it.

        Raises:
            MechprobeError: the name is taken, or does not have the form of one.
        """
        if self.form is not None and not self.form[0].fullmatch(name):
            raise MechprobeError(
                f"{self.kind} {short(repr(name))}: the name has to be {self.form[1]}"
            )
        second = Registered(entry, module)
        if not second.is_ours:
            self._load_own()  # a name of ours is ours, whoever comes first
        if name in self._known and self._known[name].module == module == "__main__":
            del self._known[name]  # a cell of a notebook that was run again
        if name in self._known:
            first = self._known[name]
            raise MechprobeError(
                f"{self.kind} {name!r} is registered twice, by {first.source} ({first.module}) and"
                f" by {second.source} ({module}); choose another name"
            )
        self._known[name] = second

    def registered(self) -> dict[str, Registered[Entry]]:
        """Every entry by name with where it is from: ours, then those of others, in the order of
        their modules, whatever was imported first."""
        self.problems()
        order = sorted(self._known.items(), key=lambda item: (not item[1].is_ours, item[1].module))
        return dict(order)

    def __getitem__(self, name: str) -> Entry:
        self.problems()  # loads what is not loaded yet
        return self._known[name].entry

    def __iter__(self) -> Iterator[str]:
        return iter(self.registered())

    def __len__(self) -> int:
        return len(self.registered())

    # Registries are compared by identity.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def find(self, name: object, where: str = "") -> Entry:
        """Look an entry up.

        Args:
            name: of the entry; anything else than a known name is refused.
            where: what the message starts with, such as a file.

        Raises:
            MechprobeError: unknown name, with the nearest spelling.
        """
        if not isinstance(name, str) or name not in self:
            begin = f"{where}: " if where else ""
            broken = "".join(f"; {line}" for line in self.problems())
            raise MechprobeError(
                f"{begin}{self.kind} {short(repr(name))} is unknown; {nearest(name, self)}{broken}"
            )
        return self[name]

    def problems(self) -> tuple[str, ...]:
        """One line for each installed package that could not be loaded; the others are there."""
        with _LOADING:
            self._load_own()
            if self._problems is None:
                self._problems = ()  # what is loaded may ask for entries of this kind
                try:
                    points = sorted(entry_points(group=self.group), key=str)
                    found = [_load(point) for point in points]
                except BaseException:
                    self._problems = None  # stopped on the way: the rest is loaded another time
                    raise
                self._problems = tuple(line for line in found if line is not None)
            return self._problems

    @contextmanager
    def isolated(self) -> Iterator["Registry[Entry]"]:
        """What is registered within is gone afterwards; installed packages are looked for anew."""
        self.problems()  # what installed packages bring stays when this ends
        known, problems = dict(self._known), self._problems
        self._problems = None
        try:
            yield self
        finally:
            self._known, self._problems = known, problems

    def _load_own(self) -> None:
        if not self._own_loaded:
            self._own_loaded = True
            try:
                with importing():
                    for room in self.rooms:
                        for module in modules_in(room):
                            import_module(module)
            except BaseException:
                self._own_loaded = False  # the next one is told as well, and not given a part
                raise


def problems_met() -> list[str]:
    """Packages that could not be loaded, a line each, of every kind that was looked up so far."""
    return sorted({line for registry in _EVERY for line in registry._problems or ()})


def modules_in(room: str) -> Iterator[str]:
    """Names of the modules that a pattern such as "mechprobe.probes.*.measures.*" stands for.

    A folder that lacks what comes behind its star is passed over.
    """
    head, star, rest = room.partition(".*")
    if not star:
        if find_spec(head) is not None:
            yield head
        return
    if (spec := find_spec(head)) is None or spec.submodule_search_locations is None:
        return
    for found in sorted(iter_modules(spec.submodule_search_locations), key=lambda m: m.name):
        if not rest or found.ispkg:
            yield from modules_in(f"{head}.{found.name}{rest}")


def refuse_lacking(kind: str, made: object, names: Collection[str]) -> None:
    """Check that what is registered has what its kind needs.

    Args:
        kind: and name, for the message.
        made: what is registered.
        names: of attributes.

    Raises:
        MechprobeError: it lacks some of them.
    """
    missing = {name for name in names if not hasattr(made, name)}
    missing |= getattr(made, "__abstractmethods__", frozenset())
    if missing:
        what = getattr(made, "__name__", type(made).__name__)
        raise MechprobeError(f"{kind}: {what} lacks {', '.join(sorted(missing))}")


def nearest(name: object, known: Collection[str]) -> str:
    """What to do about an unknown name: the nearest spelling, or what there is to choose from."""
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = len(known) - MOST
    return f"choose from {', '.join(list(known)[:MOST])}{f' and {more} more' if more > 0 else ''}"


def is_ours(module: str) -> bool:
    """Whether a module comes with this package."""
    return module.split(".")[0] == OURS


def guarded(who: str, module: str) -> AbstractContextManager[None]:
    """Within it, whatever code of a module raises is one line; see `foreign` for what else is
    caught of others'.

    Args:
        who: what the message starts with.
        module: where the code comes from.
    """
    return one_line(who) if is_ours(module) else foreign(who)


def package_of(module: str) -> str:
    """The distribution that a module belongs to, with its version; the top name if to none."""
    return _package(module.split(".")[0])


@cache
def _package(top: str) -> str:
    if top == OURS:  # looking up which package brings what takes a tenth of a second
        with suppress(PackageNotFoundError):
            return f"{OURS} {version(OURS)}"
    for distribution in _distributions().get(top, []):
        return f"{distribution} {version(distribution)}"
    return top


def _load(point: Point) -> str | None:
    """Import what an entry point names; a line about it, and nothing of it kept, if that fails."""
    before = {registry: set(registry._known) for registry in _EVERY}
    try:
        with foreign(f"package {point.value}"):
            point.load()
    except MechprobeError as error:  # a foreign package may fail in any way
        # What else was loaded on the way, ours or another package's, stays.
        top = point.value.split(":")[0].split(".")[0]
        for registry in _EVERY:
            known = before.get(registry, set())
            registry._known = {
                name: found
                for name, found in registry._known.items()
                if name in known or found.module.split(".")[0] != top
            }
        begin = f"package {point.value}: "
        return f"{begin}{str(error).removeprefix(begin)}; left out"
    return None


@cache
def _distributions() -> dict[str, list[str]]:
    # Reading every installed package's file list takes a tenth of a second.
    try:
        return {name: list(found) for name, found in packages_distributions().items()}
    except Exception:  # an installed package whose own record is damaged; only names are missed
        return {}
