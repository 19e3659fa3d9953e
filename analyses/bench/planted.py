"""Planted models as a population: those that rules may be tuned on, and those that are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mechprobe.models import CONSTRUCTIONS, CountingConfig, HookedTransformer, construct
from mechprobe.models.families.counting.constructions import Construction
from mechprobe.models.families.counting.symmetries import random_symmetry

# Sequences that are learned by heart are few: sizes of its own for who has no others.
BY_HEART = {"memorised": ((3, 4), (4, 4), (5, 3))}


@dataclass(frozen=True)
class Planted:
    """How to make one planted model.

    Args:
        name: of the construction.
        T, L, seed: sizes and seed.
        transformed: whether it passes a random product of symmetries; models of the counting
            family alone, the others have a random basis as they are built.
    """

    name: str
    T: int
    L: int
    seed: int
    transformed: bool

    @property
    def known(self) -> Construction:
        """Its truth: `known.names(kind)` says whether a label is right."""
        return CONSTRUCTIONS[self.name]

    def build(self) -> HookedTransformer:
        """Make the model."""
        model = construct(self.name, T=self.T, L=self.L, seed=self.seed)
        if not self.transformed:
            return model
        return random_symmetry(model, torch.Generator().manual_seed(self.seed + 31))


@dataclass(frozen=True)
class Population:
    """Planted models, apart by use.

    Args:
        tuned: on which rules, thresholds and calibrations may be tuned.
        held_out: for tests alone.
    """

    tuned: tuple[Planted, ...]
    held_out: tuple[Planted, ...]


def planted(Ts: Sequence[int], Ls: Sequence[int], repeats: int, seed: int) -> Population:
    """Every planted construction at every size, plain and, where there are any, transformed.

    Args:
        Ts, Ls: alphabet sizes and lengths; sequences learned by heart have sizes of their own.
        repeats: models of each construction and size, of different seeds.
        seed: of the first.
    """
    found = []
    for name, known in CONSTRUCTIONS.items():
        if known.plant is None:
            continue
        for T, L in BY_HEART.get(name) or [(T, L) for T in Ts for L in Ls]:
            for r in range(repeats):
                one = seed + 1000 * r + 10 * T + L
                plain = Planted(name, T, L, one, transformed=False)
                found.append(plain)
                if r == 0 and isinstance(plain.build().config, CountingConfig):
                    found.append(Planted(name, T, L, one, transformed=True))
    return Population(
        tuple(one for one in found if not one.known.held_out),
        tuple(one for one in found if one.known.held_out),
    )
