"""State dicts as they are found: inside dictionaries, under prefixes, of mixed types.

Nothing is guessed. A state dict inside a dictionary is found by one rule (`state_dict_of`); names
and types are changed only where the reader's own check refuses them as they are and takes them
changed (`fitting`). Whatever was done is said in a sentence.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.weights import FLOATS, Weights

# Under what training scripts and libraries keep the weights they train, and averages of them.
TRAINED = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
)
AVERAGED = (
    "ema",
    "ema_state_dict",
    "ema_model",
    "ema_model_state_dict",
    "model_ema",
    "swa_state_dict",
    "swa_model",
    "averaged_model",
)
DEPTH = 4  # dictionaries within dictionaries
# Modules that wrap others put these into every name: first, or anywhere.
PREFIXES = ("module", "model", "net", "network", "ema_model")
ANYWHERE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
# What tensors may claim beyond a file's own size, in bytes: several may share numbers (tied
# weights, one number expanded to a bias), and each becomes a copy.
SPARE = 128 * 2**20
LONGEST = 200  # letters of a prefix
COUNTERS = ("n_averaged", "num_updates")  # of averages, beside the weights

NONE: Mapping[str, str] = MappingProxyType({})
Check = Callable[[Weights], object]


def state_dict_of(
    loaded: Mapping[Any, Any], kinds: tuple[type, ...] = (Tensor,)
) -> tuple[Mapping[Any, Any], list[str]]:
    """The state dict in what a file holds.

    A dictionary that holds no dictionaries is one itself. Otherwise it is the one under a name of
    `TRAINED`, or else of `AVERAGED`, or else the only one that holds tensors alone; what lies
    beside it (optimiser, counters, an average beside the trained weights) is left.

    Args:
        loaded: what a file holds, a dictionary.
        kinds: what tensors are instances of.

    Returns:
        The state dict, whose values may still be anything, and in plain English what was taken
        and left; no sentence where it is the whole.

    Raises:
        MechprobeError: no state dict in it, or several of one rank.
    """
    way: list[str] = []
    left: list[str] = []
    while any(isinstance(value, Mapping) for value in loaded.values()):
        if len(way) == DEPTH:
            raise MechprobeError(f"holds dictionaries nested deeper than {DEPTH} levels")
        name = _chosen(loaded, kinds)
        left += [str(other) for other in loaded if other != name]
        way.append(str(name))
        loaded = loaded[name]
    if not way:
        return loaded, []
    said = f"the state dict under {' / '.join(map(short, way))} was taken"
    return loaded, [f"{said}; {_some(left)} left aside" if left else said]


def _chosen(holder: Mapping[Any, Any], kinds: tuple[type, ...]) -> Any:
    within = [name for name, value in holder.items() if isinstance(value, Mapping) and value]
    plain = [n for n in within if all(isinstance(value, kinds) for value in holder[n].values())]
    for known in (TRAINED, AVERAGED, None):
        found = plain if known is None else [name for name in within if name in known]
        if len(found) > 1:
            raise MechprobeError(
                f"holds several state dicts ({_some(found)}); save the one to be read alone"
            )
        if found:
            return found[0]
    raise MechprobeError(f"holds no state dict, only {_some(list(holder))}; save a plain one")


@dataclass(frozen=True)
class Reading:
    """A way to read a file's tensors.

    Args:
        names: what the file calls each tensor, by what it is read as.
        dtype: of all floating-point tensors; as they are where None.
        said: what that changes, in sentences.
    """

    names: Mapping[str, str]
    dtype: torch.dtype | None = None
    said: tuple[str, ...] = ()

    def of(self, tensors: Mapping[str, Tensor]) -> Weights:
        """The tensors, of a header or loaded."""
        return {name: self._typed(tensors[theirs]) for name, theirs in self.names.items()}

    def _typed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype) if self.dtype and tensor.is_floating_point() else tensor


def fitting(header: Weights, check: Check, tied: Mapping[str, str] = NONE) -> Reading:
    """The first way to read tensors that a check takes: as they are; with those that are stored
    under another's name; without prefixes that all names share; in one type.

    Args:
        header: tensors without numbers, as the file names them.
        check: raises where they do not fit.
        tied: further names, and under which each of them is stored.

    Raises:
        MechprobeError: none is taken; what is wrong with the tensors once prefixes of well-known
            wrappers are dropped and types are one.
    """
    wanted: MechprobeError | None = None
    for way, is_told in _ways(header, tied):
        try:
            check(way.of(header))
        except MechprobeError as error:
            if is_told or wanted is None:
                wanted = error
        else:
            return way
    assert wanted is not None  # there is a way at least: as they are
    raise wanted


def _ways(header: Weights, tied: Mapping[str, str]) -> Iterator[tuple[Reading, bool]]:
    """Ways to read, the least changed first, and whether their faults are worth telling."""
    widest, mixed = _widest(header)
    starts: list[tuple[dict[str, str], tuple[str, ...]]] = [({name: name for name in header}, ())]
    if tied:
        pairs = _some([f"{name} is {stored}" for name, stored in tied.items()])
        starts.append((starts[0][0] | dict(tied), (f"stored once: {pairs}",)))
    for start, told in starts:
        for names, said, well_known in _renamings(start):
            yield Reading(names, None, (*told, *said)), well_known
            if widest is not None:
                yield Reading(names, widest, (*told, *said, mixed)), well_known


def _widest(header: Weights) -> tuple[torch.dtype | None, str]:
    """The type that holds every number of mixed floating-point types; None where they are one."""
    kinds = sorted({str(w.dtype): w.dtype for w in header.values() if w.dtype in FLOATS}.items())
    if len(kinds) < 2:
        return None, ""
    double = any(kind == torch.float64 for _, kind in kinds)
    widest = torch.float64 if double else torch.float32
    names = ", ".join(name.removeprefix("torch.") for name, _ in kinds)
    return widest, f"types are mixed ({names}): all read as {str(widest).removeprefix('torch.')}"


def _renamings(ours: dict[str, str]) -> Iterator[tuple[dict[str, str], tuple[str, ...], bool]]:
    """Where tensors are stored, by their names: as they are, then with ever fewer prefixes."""
    yield ours, (), True
    names, stored = list(ours), ours
    counters = [n for n in names if n.rpartition(".")[2] in COUNTERS and len(names) > 1]
    ours = {_unmarked(name): stored[name] for name in names if name not in counters}
    if len(ours) + len(counters) < len(names) or not ours:
        return  # two names would become one
    changed = [f"{_some(counters)} left aside: the weights are an average"] if counters else []
    marks = [mark for mark in ANYWHERE if any(mark in name.split(".") for name in names)]
    if marks:
        changed.append(f"{_some(marks)} dropped from names")
    well_known = True
    if changed:
        yield ours, tuple(changed), True
    dropped = ""
    while len(dropped) < LONGEST and (first := _shared(ours)) is not None:
        ours = {name.removeprefix(f"{first}."): theirs for name, theirs in ours.items()}
        dropped += f"{first}."
        well_known = well_known and first in PREFIXES
        said = f"the prefix {short(dropped)} dropped from all names"
        yield ours, (*changed, said), well_known


def _unmarked(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in ANYWHERE)


def _shared(names: Mapping[str, str]) -> str | None:
    """The first part of all names, where every name goes on after it."""
    firsts = {name.partition(".")[0] if "." in name else "" for name in names}
    return firsts.pop() or None if len(firsts) == 1 else None


def _some(names: list[Any]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(short(name, 60) for name in names[:6]) + more
