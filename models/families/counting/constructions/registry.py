"""Names of the constructions and the mechanism each was built to have."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.registry import Registry, guarded
from mechprobe.models.base.settled import settled
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.hooked import HookedTransformer
from mechprobe.models.hooked.family import ModelConfig
from mechprobe.models.tasks.causal_models import CausalModel

Counting = Literal["relation-based", "inventory-based", "mixed", "opposed", "positional", "other"]
Attending = Literal["semantic", "positional", "mixed", "uninformed"]


# What building a model may cost: minutes on one core, and room in a laptop's memory.
MOST_STEPS, MOST_BYTES = 5 * 10**11, 2**32


@dataclass(frozen=True)
class Sizes:
    """What a builder is asked for.

    Args:
        T: alphabet size.
        L: sequence length.
        alpha: share of the relation-based part, for blends.
        groups: number of counters, for those with several.
    """

    T: int
    L: int
    alpha: float = 0.5
    groups: int = 2


Builder = Callable[[Sizes, torch.Generator], tuple[ModelConfig, Weights]]


@dataclass(frozen=True)
class Plant:
    """What is known of a planted model: one that a label may easily get wrong.

    Args:
        causal: the causal model of counting that it carries out at given sizes, which token's count
            is kept in which counter; None where it carries out none of these.
        also: further kinds that name it rightly, where it lies between two by their definitions.
        held_out: kept out of all tuning of rules, thresholds and calibrations; for tests alone.
    """

    causal: Callable[[Sizes], CausalModel] | None
    also: tuple[Counting, ...] = ()
    held_out: bool = False


@dataclass(frozen=True)
class Construction:
    """A hand-built model, of any family.

    Args:
        name: what `construct` is asked for.
        summary: one line for users.
        counting: the counting mechanism it was built to have (blends: at alpha near 1/2).
        attention: what its mixing weights depend on; None where its blocks differ in that.
        build: from sizes and a generator to configuration and float64 weights.
        option: the one option this construction has, beside T, L and seed.
        plant: what else is known of a planted model; None for the pure ones and blends.
    """

    name: str
    summary: str
    counting: Counting
    attention: Attending | None
    build: Builder
    option: Literal["alpha", "groups"] | None = None
    plant: Plant | None = None

    @property
    def held_out(self) -> bool:
        """Whether it is kept out of all tuning."""
        return self.plant is not None and self.plant.held_out

    def names(self, counting: str) -> bool:
        """Whether this kind of counting names a planted or pure model rightly."""
        also = () if self.plant is None else self.plant.also
        return counting in (self.counting, *also)

    def truth(self, sizes: Sizes) -> tuple[Counting, Attending | None, int | None]:
        """Counting mechanism, attention and number of counters at these sizes.

        A blend is mixed while neither part has more than 70 % of the logits. A planted model has
        the counters of its causal model.
        """
        if self.plant is not None:
            causal = self.plant.causal
            return self.counting, self.attention, causal(sizes).number if causal else None
        counting = self.counting
        if self.option == "alpha":
            if sizes.alpha >= 0.7:
                counting = "relation-based"
            elif sizes.alpha <= 0.3:
                counting = "inventory-based"
        if counting == "inventory-based":
            return counting, self.attention, sizes.T
        return counting, self.attention, sizes.groups if self.option == "groups" else 1


CONSTRUCTIONS: Registry[Construction] = Registry(
    "construction",
    "mechprobe.constructions",
    ["mechprobe.models.families.*.constructions.*"],
    form=(re.compile(r"[a-z][a-z0-9+-]*"), "lower-case letters, digits, hyphens and plus signs"),
)


def construction(
    name: str,
    counting: Counting,
    attention: Attending | None,
    option: Literal["alpha", "groups"] | None = None,
    plant: Plant | None = None,
) -> Callable[[Builder], Builder]:
    """Register a builder; the first line of its docstring is its summary."""

    def register(build: Builder) -> Builder:
        summary = (build.__doc__ or "").split("\n")[0].strip()
        made = Construction(name, summary, counting, attention, build, option, plant)
        CONSTRUCTIONS.add(name, made, build.__module__)
        return build

    return register


@settled()
def construct(
    name: str,
    *,
    T: int,
    L: int,
    seed: int = 0,
    alpha: float | None = None,
    groups: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> HookedTransformer:
    """Build a model with known mechanism; it answers every sequence rightly.

    Args:
        name: one of CONSTRUCTIONS.
        T: alphabet size.
        L: sequence length.
        seed: of the random basis and the free scales.
        alpha: share of the relation-based part in [0, 1]; blends only (default 1/2).
        groups: number of counters, 1..T; only for those with several (default 2).
        dtype: of the weights.

    Raises:
        MechprobeError: unknown name, sizes this construction cannot have, an option it lacks.
    """
    found = find_construction(name)
    for option, value in (("alpha", alpha), ("groups", groups)):
        if value is not None and found.option != option:
            raise MechprobeError(f"construction {name!r} has no option {option}; leave it out")
    sizes = Sizes(T, L, 0.5 if alpha is None else alpha, 2 if groups is None else groups)
    if not (math.isfinite(sizes.alpha) and 0 <= sizes.alpha <= 1):
        raise MechprobeError(f"alpha={sizes.alpha} is not in [0, 1]")
    if found.option == "groups" and not 1 <= sizes.groups <= T:
        raise MechprobeError(f"groups={sizes.groups} is not in 1..T={T}")
    # Sizes are checked before any builder meets them.
    CountingConfig.of("dot", T=T, L=L, d=2, p=1)
    _refuse_costly(name, T, L)
    generator = torch.Generator().manual_seed(seed)
    with guarded(f"construction {name!r}", found.build.__module__):
        config, weights = found.build(sizes, generator)
        return HookedTransformer(config, {n: w.to(dtype).contiguous() for n, w in weights.items()})


def _refuse_costly(name: str, T: int, L: int) -> None:
    """Raises:
    MechprobeError: decompositions of T x T matrices, or L sequences of L positions each, would
        take more than minutes or more memory than machines have.
    """
    steps = 4 * T**3 + 4 * L**3 * T
    size = 8 * (8 * T**2 + 2 * T * L)
    if steps > MOST_STEPS or size > MOST_BYTES:
        raise MechprobeError(
            f"construction {name!r} at T={T}, L={L} would take about {steps:.0e} operations and"
            f" {size / 2**30:.1f} GiB, more than {MOST_STEPS:.0e} and {MOST_BYTES / 2**30:g} GiB;"
            " use a smaller T or L"
        )


def find_construction(name: str) -> Construction:
    """Look a construction up by name.

    Raises:
        MechprobeError: unknown name, with the nearest spelling.
    """
    return CONSTRUCTIONS.find(name)
