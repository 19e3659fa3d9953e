"""Models whose mechanism is known, from several sources, and the truth about each.

A source is a function of `quick` and a seed that gives entries; to add one, add it to `SOURCES`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from mechprobe.analyses.bench.methods.answers import Half
from mechprobe.analyses.bench.planted import BY_HEART
from mechprobe.analyses.bench.populations import (
    blends,
    damaged,
    noisy_blends,
    pure,
    trained,
    untrained,
)
from mechprobe.analyses.bench.tracr.store import built, by_name
from mechprobe.models import (
    CONSTRUCTIONS,
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    construct,
)
from mechprobe.models.families.counting.symmetries import random_symmetry
from mechprobe.models.families.foreign.compiled import compiled_counter

__all__ = ["SOURCES", "Entry", "Known", "counting_task", "disguised", "name_of", "population"]


@runtime_checkable
class Known(Protocol):
    """How to make a model whose mechanism is known; a frozen dataclass, so that it can be stored
    and sent."""

    @property
    def name(self) -> str:
        """What models of its sort share."""
        ...

    def build(self) -> HookedTransformer:
        """Make the model."""
        ...

    def truth(self, model: HookedTransformer) -> str:
        """How it counts, one of KINDS."""
        ...


@dataclass(frozen=True)
class Entry:
    """One model of the population.

    Args:
        part: of the population.
        member: how to make it.
        tuned: a method's own rule was made with models like it in view.
        half: what its truth may be used for.
        also: further kinds that name it rightly.
    """

    part: str
    member: Known
    tuned: bool
    half: Half = "test"
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its folder and in files."""
        return name_of(self.member)


def disguised(member: Known) -> HookedTransformer:
    """A model as methods meet it: under a random product of the symmetries it has, where they are
    known."""
    plain = member.build()
    if not isinstance(plain.config, CountingConfig):
        return plain
    return random_symmetry(plain, torch.Generator().manual_seed(int(name_of(member), 16)))


def name_of(member: Known) -> str:
    """Of a model's folder and in files; says nothing of the truth."""
    return hashlib.sha256(repr(member).encode()).hexdigest()[:12]


def counting_task(model: HookedTransformer) -> HistogramTask:
    """What a model is asked.

    Raises:
        MechprobeError: it does not count.
    """
    task = model.task()
    if not isinstance(task, HistogramTask):
        raise MechprobeError(
            f"a model of the task {task.name!r}; the bench is of models that count"
        )
    return task


def possible(member: Known) -> bool:
    """Whether the model exists at its sizes."""
    try:
        member.build()
    except MechprobeError:
        return False
    return True


Source = Callable[[bool, int], list[Entry]]


def constructions(quick: bool, seed: int) -> list[Entry]:
    """Pure constructions; mechprobe's rule was made on them."""
    found = pure((8,), (6,), 1, seed + 20_000)
    if quick:
        found = found[::2]
    else:
        found += pure((16,), (10,), 1, seed + 20_000)
    return [Entry("pure", one, True) for one in found]


def blended(quick: bool, seed: int) -> list[Entry]:
    """Blends of both mechanisms, with and without noise."""
    Ts, Ls, number = ((8,), (6,), 5) if quick else ((8, 16), (6, 10), 20)
    plain = blends(Ts, Ls, number, 0.0, 1.0, seed + 21_000)
    noisy = noisy_blends(Ts, Ls, number, seed + 22_000)
    return [Entry("blends", one, True) for one in plain] + [
        Entry("noisy", one, True) for one in noisy
    ]


def ruined(quick: bool, seed: int) -> list[Entry]:
    """Pure constructions with noise, and models at initialisation."""
    noisy = [] if quick else [one for one in damaged(12, seed + 23_000) if possible(one)]
    Ts, Ls, number = ((8,), (6,), 2) if quick else ((8, 16), (6, 10), 8)
    fresh = untrained(Ts, Ls, number, seed + 24_000)
    return [Entry("noisy", one, True) for one in noisy] + [
        Entry("untrained", one, True) for one in fresh
    ]


@dataclass(frozen=True)
class Planted:
    """A planted construction."""

    name: str
    T: int
    L: int
    seed: int

    def build(self) -> HookedTransformer:
        """Make the model."""
        return construct(self.name, T=self.T, L=self.L, seed=self.seed)

    def truth(self, model: HookedTransformer) -> str:
        """How it was built to count."""
        return CONSTRUCTIONS[self.name].counting


def planted(quick: bool, seed: int) -> list[Entry]:
    """Built by hand to be missed; eight of the constructions are kept out of all tuning."""
    sizes, repeats = (((8, 6),), 1) if quick else (((8, 6), (16, 10)), 2)
    found = []
    for name, known in CONSTRUCTIONS.items():
        if known.plant is None:
            continue
        asked = BY_HEART.get(name, sizes)  # as many by heart as others at the sizes that they have
        members = [
            Planted(name, T, L, seed + 25_000 + r)
            for T, L in asked[: len(sizes)]
            for r in range(repeats)
        ]
        found += [
            Entry("planted", one, not known.held_out, also=known.plant.also)
            for one in members
            if possible(one)
        ]
    return found


@dataclass(frozen=True)
class Compiled:
    """A counter that was written by hand into a TransformerBridge: one count for all tokens."""

    T: int
    L: int
    name: str = "compiled counter"

    def build(self) -> HookedTransformer:
        """Make the model."""
        return compiled_counter(T=self.T, L=self.L)

    def truth(self, model: HookedTransformer) -> str:
        """How it was written to count."""
        return "relation-based"


# Programs whose labels were wrong until counters were told apart at the block that counts.
SEEN = ("groups", "part")


@dataclass(frozen=True)
class CompiledProgram:
    """A program that tracr compiled, by its name among the packaged ones."""

    name: str

    def build(self) -> HookedTransformer:
        """Make the model."""
        return built(by_name()[self.name])

    def truth(self, model: HookedTransformer) -> str:
        """How the program counts, verified on its own variables."""
        return by_name()[self.name].known.mechanism


def compiled(quick: bool, seed: int) -> list[Entry]:
    """Counters that we compiled by hand, and programs that tracr compiled. mechprobe's tests ask
    for the labels of the first, so its rule has met them, and a wrong label of some programs was
    mended; nobody was tuned on the others."""
    sizes = ((8, 6),) if quick else ((8, 6), (12, 8), (16, 10), (8, 10))
    wanted = {(6, 6)} if quick else {(4, 5), (6, 6)}
    programs = [
        Entry("compiled", CompiledProgram(name), one.program in SEEN, also=one.known.also)
        for name, one in by_name().items()
        if (one.T, one.L) in wanted and one.known.settled
    ]
    return [Entry("compiled", Compiled(T, L), True) for T, L in sizes] + programs[
        :: 2 if quick else 1
    ]


def grown(quick: bool, seed: int) -> list[Entry]:
    """Trained towards a causal model and verified apart from labels; the confidence of labels was
    fitted on half of them."""
    fit, check = (trained(half) for half in ("fit", "check"))
    step = 12 if quick else 2
    return [Entry("trained", one, True) for one in fit[::step]] + [
        Entry("trained", one, False) for one in check[::step]
    ]


SOURCES: tuple[Source, ...] = (constructions, blended, ruined, planted, compiled, grown)


def population(quick: bool, seed: int = 0, sources: Sequence[Source] = SOURCES) -> list[Entry]:
    """Every source's entries, parted into halves.

    Entries of a part and sort go to either half in turn. Thresholds may be fitted on the first
    only; what nobody was tuned on goes to the second, whole.

    Args:
        quick: few and small ones.
        seed: of the models.
        sources: of the entries.
    """
    entries = [entry for source in sources for entry in source(quick, seed)]
    turns: dict[str, int] = {}
    found: dict[str, Entry] = {}
    for entry in entries:
        half: Half = "test"
        if entry.tuned:
            turns[entry.part] = turns.get(entry.part, -1) + 1
            half = "test" if turns[entry.part] % 2 else "tune"
        found[entry.name] = replace(entry, half=half)
    return list(found.values())
