"""Label a trained model, and label it again under every disturbance."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from mechprobe.analyses.bench.siit.store import built, by_name
from mechprobe.analyses.bench.stability.disturb import DISTURBANCES, FIRST
from mechprobe.models import CountingConfig, HookedTransformer, Trainee, TrainingPlan, train
from mechprobe.probes import label


class Look(BaseModel):
    """A first label."""

    kind: str
    confidence: float


class Shaken(BaseModel):
    """The labels that a model has under every disturbance, try by try."""

    kinds: dict[str, list[str]]


@dataclass(frozen=True)
class Subject:
    """A trained model.

    Args:
        name: of one that comes with the package; empty for one that is trained here.
        architecture, T, L, d, p, seed: of one that is trained here to count, and to nothing else.
    """

    name: str = ""
    architecture: str = ""
    T: int = 0
    L: int = 0
    d: int = 0
    p: int = 0
    seed: int = 0

    def build(self) -> HookedTransformer:
        """Make the model."""
        if self.name:
            return built(by_name()[self.name])
        config = CountingConfig.of(self.architecture, T=self.T, L=self.L, d=self.d, p=self.p)
        trained = train([Trainee(config, self.seed, TrainingPlan())])[0]
        return HookedTransformer(config, trained.weights)


@dataclass(frozen=True)
class First:
    """Label a model once."""

    subject: Subject

    result: ClassVar[type[Look]] = Look
    weight: ClassVar[float] = 1.0

    def run(self) -> Look:
        """Do it."""
        found = label(self.subject.build(), seed=FIRST)
        return Look(kind=str(found.mechanism), confidence=found.confidence or 0.0)


@dataclass(frozen=True)
class Shake:
    """Label a model under every disturbance."""

    subject: Subject

    result: ClassVar[type[Shaken]] = Shaken
    weight: ClassVar[float] = 1.0

    def run(self) -> Shaken:
        """Do it."""
        model = self.subject.build()
        return Shaken(
            kinds={
                name: [str(disturb(model, i).mechanism) for i in range(times)]
                for name, (times, disturb) in DISTURBANCES.items()
            }
        )
