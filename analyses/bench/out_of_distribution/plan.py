"""What is trained: counting models that never see some counts of some tokens."""

from dataclasses import dataclass, field, replace
from itertools import product

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models import CountingConfig, TrainingPlan
from mechprobe.models.base.draws import draw_integers, draw_order
from mechprobe.probes.draws import generator

NEVER = 0  # in `withheld`: of this token every count is seen
LEAST = 2  # withheld counts have neighbours on both sides that are seen


@dataclass(frozen=True, eq=False)
class Pupil:
    """One model to train.

    Args:
        config: its shape and architecture.
        seed: of its weights, its data and of what is withheld.
        withheld: the count that each token never has in training, 0 for none.
    """

    config: CountingConfig
    seed: int
    withheld: Int[Tensor, " token"]

    @classmethod
    def of(cls, config: CountingConfig, seed: int) -> "Pupil":
        """Half of the tokens each lack one count, drawn from 2 to L - 2."""
        generator_ = generator(seed, "withheld")
        counts = LEAST + draw_integers(config.L - 2 - LEAST + 1, (config.T,), generator_)
        lacking = draw_order(config.T, generator_) < config.T // 2
        return cls(config, seed, torch.where(lacking, counts, NEVER))

    def whole(self) -> "Pupil":
        """Its twin, from which nothing is withheld."""
        return replace(self, withheld=torch.zeros_like(self.withheld))

    @property
    def lacks(self) -> bool:
        """Whether something is withheld from it."""
        return bool((self.withheld != NEVER).any())

    @property
    def name(self) -> str:
        """Of its folder."""
        c = self.config
        what = "lacking" if self.lacks else "whole"
        return f"{c.architecture}-d{c.d}-p{c.p}-seed-{self.seed}-{what}"


@dataclass(frozen=True)
class Plan:
    """The whole study.

    Args:
        architectures: names.
        T, L: alphabet and length.
        widths, neurons: d and p, every pair of them.
        seeds: models of each shape.
        training: steps, batch, rate.
    """

    architectures: tuple[str, ...] = ("bos", "bos+sftm", "dot", "dot+sftm", "lin")
    T: int = 12
    L: int = 8
    widths: tuple[int, ...] = (12, 24)
    neurons: tuple[int, ...] = (4, 16, 48)
    seeds: int = 6
    training: TrainingPlan = field(default_factory=lambda: TrainingPlan(steps=8000))

    def pupils(self) -> list[Pupil]:
        """Every model that lacks something, each followed by its whole twin."""
        shapes = product(range(self.seeds), self.architectures, self.widths, self.neurons)
        lacking = [
            Pupil.of(CountingConfig.of(name, T=self.T, L=self.L, d=d, p=p), seed)
            for seed, name, d, p in shapes
        ]
        return [pupil for one in lacking for pupil in (one, one.whole())]


QUICK = Plan(
    architectures=("bos+sftm", "lin"),
    T=6,
    L=6,
    widths=(8,),
    neurons=(16,),
    seeds=2,
    training=TrainingPlan(steps=600, lr=1e-2),
)
