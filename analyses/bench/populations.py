"""Populations of models whose mechanism is known: pure ones, blends, damaged and untrained ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from mechprobe.models import (
    ARCHITECTURES,
    CONSTRUCTIONS,
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
)
from mechprobe.models.base.draws import draw_integers, draw_normal, draw_uniform
from mechprobe.models.families.counting import initial
from mechprobe.models.families.counting.constructions import Sizes, construct, find_construction
from mechprobe.models.hooked import copy_with
from mechprobe.probes.counting.label.rule import SOLVED

Kind = Literal["pure", "blend", "noisy blend", "untrained", "damaged"]
TESTED = 20_000  # sequences behind the true accuracy of a damaged model


@dataclass(frozen=True)
class Member:
    """How to make one model of a population.

    Args:
        kind: what sort of member it is.
        name: construction, or architecture of an untrained model.
        T, L, seed: sizes and seed.
        alpha: share of the relation-based part of a blend.
        groups: counters of a construction with several.
        noise: relative size of the noise added to every weight.
    """

    kind: Kind
    name: str
    T: int
    L: int
    seed: int
    alpha: float | None = None
    groups: int | None = None
    noise: float = 0.0

    def build(self) -> HookedTransformer:
        """Make the model."""
        if self.kind == "untrained":
            generator = torch.Generator().manual_seed(self.seed)
            d, p = (int(2**3 + draw_integers(4, (), generator)) for _ in range(2))
            config = CountingConfig.of(self.name, T=self.T, L=self.L, d=d, p=p)
            return HookedTransformer(config, initial(config, generator))
        model = construct(
            self.name, T=self.T, L=self.L, seed=self.seed, alpha=self.alpha, groups=self.groups
        )
        if not self.noise:
            return model
        generator = torch.Generator().manual_seed(self.seed + 1)
        noisy = {
            name: w + self.noise * w.std(correction=0) * draw_normal(w.shape, generator)
            for name, w in model.weights().items()
        }
        return copy_with(model, **noisy)

    def truth(self, model: HookedTransformer) -> str:
        """The counting mechanism it was built to have; noise may leave it unsolved."""
        if self.kind == "untrained":
            return "unsolved"
        if self.noise and true_accuracy(model) < SOLVED:
            return "unsolved"
        sizes = Sizes(self.T, self.L, self.alpha or 0.0, self.groups or 1)
        return find_construction(self.name).truth(sizes)[0]

    def attention(self) -> str | None:
        """The attention kind it was built to have; None where it is not known."""
        if self.kind == "untrained" or self.noise:
            return None
        return CONSTRUCTIONS[self.name].attention


def true_accuracy(model: HookedTransformer) -> float:
    """Accuracy on many sequences, apart from those any probe draws."""
    task: HistogramTask = model.config.task()
    tokens = task.sample(TESTED, torch.Generator().manual_seed(987_654))
    with torch.no_grad():
        return task.accuracy(model(tokens), tokens)


def possible(member: Member) -> bool:
    """Whether the construction exists at these sizes."""
    try:
        member.build()
    except MechprobeError:
        return False
    return True


def pure(Ts: Sequence[int], Ls: Sequence[int], repeats: int, seed: int) -> list[Member]:
    """Every construction without a blend at every size where it exists."""
    names = [n for n, c in CONSTRUCTIONS.items() if c.option != "alpha" and c.plant is None]
    members = []
    for T in Ts:
        for L in Ls:
            for name in names:
                groups = [2, 4] if CONSTRUCTIONS[name].option == "groups" else [None]
                members += [
                    Member("pure", name, T, L, seed + 1000 * r + 10 * T + L, groups=g)
                    for r in range(repeats)
                    for g in groups
                ]
    return [m for m in members if possible(m)]


def blends(
    Ts: Sequence[int], Ls: Sequence[int], number: int, low: float, high: float, seed: int
) -> list[Member]:
    """Blends with alpha drawn uniformly, sizes in turn."""
    generator = torch.Generator().manual_seed(seed)
    names = [n for n, c in CONSTRUCTIONS.items() if c.option == "alpha"]
    drawn = low + (high - low) * draw_uniform((number,), generator)
    return [
        Member(
            "blend",
            names[i % len(names)],
            Ts[i // len(names) % len(Ts)],
            Ls[i // (len(names) * len(Ts)) % len(Ls)],
            seed + i,
            alpha=round(float(alpha), 4),
        )
        for i, alpha in enumerate(drawn)
    ]


def noisy_blends(Ts: Sequence[int], Ls: Sequence[int], number: int, seed: int) -> list[Member]:
    """Blends of any alpha with noise on every weight: their tokens differ, as those of trained
    models do, and their evidence lies anywhere between the labels."""
    generator = torch.Generator().manual_seed(seed + 1)
    noise = 10 ** (-2.5 + 1.5 * draw_uniform((number,), generator))
    return [
        replace(member, kind="noisy blend", noise=round(float(size), 5))
        for member, size in zip(blends(Ts, Ls, number, 0.0, 1.0, seed), noise, strict=True)
    ]


def untrained(Ts: Sequence[int], Ls: Sequence[int], number: int, seed: int) -> list[Member]:
    """Models at initialisation, of all architectures and several widths."""
    return [
        Member(
            "untrained",
            ARCHITECTURES[i % len(ARCHITECTURES)],
            Ts[i // len(ARCHITECTURES) % len(Ts)],
            Ls[i // (len(ARCHITECTURES) * len(Ts)) % len(Ls)],
            seed + i,
        )
        for i in range(number)
    ]


def damaged(number: int, seed: int) -> list[Member]:
    """Pure constructions with noise on every weight, from none that matters to ruin."""
    generator = torch.Generator().manual_seed(seed)
    plain = [n for n, c in CONSTRUCTIONS.items() if c.option is None and c.plant is None]
    names = [n for n in plain if n != "bos+sftm-circle"]
    noise = 10 ** (-3 + 2.2 * draw_uniform((number,), generator))
    return [
        Member(
            "damaged",
            names[i % len(names)],
            (16, 32)[i // len(names) % 2],
            (6, 10)[i // (2 * len(names)) % 2],
            seed + i,
            noise=round(float(size), 5),
        )
        for i, size in enumerate(noise)
    ]
