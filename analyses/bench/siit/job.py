"""Train a stack of models towards causal models, and verify each on pairs it never saw."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from mechprobe.models import CountingConfig, TrainingPlan
from mechprobe.models.families.counting.training.siit import Verified, train_strictly, verify
from mechprobe.models.tasks.causal_models import grouped

VERIFIED_WITH = 999_983  # seed of the pairs for verification; models have smaller ones
BATCH = 32  # pairs a step


class Grown(BaseModel):
    """One trained model.

    Attributes:
        weights: as nested lists, by name.
        verified: interchange accuracy in every case that its causal model has.
    """

    weights: dict[str, list[list[float]] | list[float]]
    verified: dict[str, Verified]

    @property
    def passed(self) -> bool:
        """Whether its causal model is true of it."""
        return all(one.holds for one in self.verified.values())


class GrownStack(BaseModel):
    """The models of a stack, in its order."""

    models: list[Grown]


@dataclass(frozen=True)
class Stack:
    """Models of one shape that are trained together.

    Args:
        architecture, T, L, d, p: of all of them.
        counters: of every model's causal model, number of each token's counter.
        seeds: of every model.
        steps, lr: of training.
    """

    architecture: str
    T: int
    L: int
    d: int
    p: int
    counters: tuple[tuple[int, ...], ...]
    seeds: tuple[int, ...]
    steps: int
    lr: float

    result: ClassVar[type[GrownStack]] = GrownStack

    @property
    def config(self) -> CountingConfig:
        """Of its models."""
        return CountingConfig.of(self.architecture, T=self.T, L=self.L, d=self.d, p=self.p)

    @property
    def names(self) -> list[str]:
        """What its models are called."""
        shape = f"{self.architecture}-T{self.T}-L{self.L}-d{self.d}-p{self.p}"
        kinds = [grouped(counters).name.removesuffix("-based") for counters in self.counters]
        named = [kind.replace(" ", "-") for kind in kinds]
        return [f"{shape}-{kind}-s{seed}" for kind, seed in zip(named, self.seeds, strict=True)]

    @property
    def weight(self) -> float:
        """Relative length of the work."""
        return self.steps * len(self.seeds) * self.L * (self.L + self.d + self.p) / 1e6

    def run(self) -> GrownStack:
        """Train and verify."""
        config, causal = self.config, [grouped(counters) for counters in self.counters]
        made = train_strictly(config, causal, self.seeds, TrainingPlan(self.steps, BATCH, self.lr))
        models = []
        for weights, model in zip(made, causal, strict=True):
            found = verify(config, weights, model, VERIFIED_WITH)
            asked = {case: one for case, one in found.items() if one.pairs}
            models.append(
                Grown(weights={n: w.tolist() for n, w in weights.items()}, verified=asked)
            )
        return GrownStack(models=models)
