"""The bench itself: every method asked about every model, one stored answer each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from mechprobe.analyses.bench.methods.answers import KINDS, Answer, Answers, Truth
from mechprobe.analyses.bench.methods.needle import Needle, needles
from mechprobe.analyses.bench.methods.population import (
    Entry,
    Known,
    counting_task,
    disguised,
    population,
)
from mechprobe.analyses.bench.methods.registry import METHODS, ask
from mechprobe.analyses.common.resume import finish
from mechprobe.models import MechprobeError

__all__ = ["Bench", "learn", "run"]

VERSION = 1  # of how methods are asked and models made
# Seconds on one core, for an honest progress bar; others' methods count as ours that are quick.
USUAL = {"das": 3.0}


class Fact(BaseModel):
    """What is known of a model."""

    kind: str
    T: int
    L: int


@dataclass(frozen=True)
class Learn:
    """Find out what is known of a model; noisy ones are run for that."""

    member: Known
    result: ClassVar[type[Fact]] = Fact

    @property
    def weight(self) -> float:
        """Relative length of the work."""
        return 1.0

    def run(self) -> Fact:
        """Build it.

        Raises:
            MechprobeError: its source names a kind that there is not.
        """
        model = self.member.build()
        kind, task = self.member.truth(model), counting_task(model)
        if kind not in KINDS:
            raise MechprobeError(f"{self.member!r}: kind {kind!r} is none of {', '.join(KINDS)}")
        return Fact(kind=kind, T=task.T, L=task.L)


@dataclass(frozen=True)
class Ask:
    """Ask a method about a model.

    Args:
        member: how to make the model.
        method, version: of the method.
        seed: of the method's draws.
    """

    member: Known
    method: str
    version: str
    seed: int
    result: ClassVar[type[Answer]] = Answer

    @property
    def weight(self) -> float:
        """Relative length of the work."""
        return USUAL.get(self.method, 0.3)

    def run(self) -> Answer:
        """Build the model and ask."""
        model = disguised(self.member)
        return ask(self.method, model, counting_task(model), self.seed)


def learn(folder: Path, models: Mapping[str, Entry], *, lasts: bool = True) -> dict[str, Truth]:
    """The truth about models, by name; goes on where it was stopped.

    Args:
        folder: that keeps what was found.
        models: by name.
        lasts: whether the folder is there when the same command is run again.

    Raises:
        MechprobeError: the folder holds something else, or cannot be written or read.
    """
    jobs = [Learn(entry.member) for entry in models.values()]
    facts = finish(folder, jobs, "models", VERSION, lasts=lasts)
    return {name: _truth(entry, facts[Learn(entry.member)]) for name, entry in models.items()}


def _truth(entry: Entry, fact: Fact) -> Truth:
    return Truth(
        part=entry.part,
        half=entry.half,
        tuned=entry.tuned,
        also=list(entry.also),
        **fact.model_dump(),
    )


@dataclass(frozen=True)
class Bench:
    """What a run found.

    Args:
        entries: the models, by name.
        truth: about each.
        answers: of every method.
        needles: the direction that DAS was to find, in each setting.
    """

    entries: dict[str, Entry]
    truth: dict[str, Truth]
    answers: list[Answers]
    needles: list[Needle]


def run(folder: Path, quick: bool, seed: int, entries: Sequence[Entry] | None = None) -> Bench:
    """Ask all methods about all models; goes on where it was stopped.

    Args:
        folder: of the run.
        quick: fewer and smaller models.
        seed: of models and methods.
        entries: in place of the bench's population.

    Raises:
        MechprobeError: the folder holds something else, or cannot be written or read.
    """
    models = {e.name: e for e in (population(quick, seed) if entries is None else entries)}
    truth = learn(folder, models)
    methods = dict(METHODS)
    jobs = {
        (method.name, name): Ask(entry.member, method.name, method.version, seed)
        for method in methods.values()
        for name, entry in models.items()
    }
    given = finish(folder, list(jobs.values()), "methods", VERSION)
    answers = [
        Answers(
            method=method.name,
            probabilities=method.probabilities,
            answers={name: given[jobs[method.name, name]] for name in models},
        )
        for method in methods.values()
    ]
    searches = needles(quick)
    found = finish(folder, searches, "directions", VERSION)
    return Bench(models, truth, answers, [found[search] for search in searches])
