"""Labellers by name, ours and those of installed packages.

A labeller is a function of a model, its task and a seed that gives a score for each kind of
counting it considers; the highest wins. It may abstain: by an empty mapping, by None, or by an
error. Others' join by the entry point group `mechprobe.methods`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite

from mechprobe.analyses.bench.methods.answers import KINDS, Answer
from mechprobe.models import HistogramTask, HookedTransformer, MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.registry import Registry, guarded, nearest
from mechprobe.models.base.settled import settled

__all__ = ["METHODS", "Method", "ask", "method"]

Scores = Mapping[str, float]
Labeller = Callable[[HookedTransformer, HistogramTask, int], Scores | None]


@dataclass(frozen=True)
class Method:
    """A labeller.

    Args:
        name: what tables call it.
        summary: one line.
        source: where the method is from: a paper, a package.
        judge: the function itself.
        probabilities: its scores are probabilities, and judged as such too.
        version: changed when its answers change; stored ones of another version are made anew.
    """

    name: str
    summary: str
    source: str
    judge: Labeller
    probabilities: bool = False
    version: str = "1"


METHODS: Registry[Method] = Registry(
    "method", "mechprobe.methods", ["mechprobe.analyses.bench.methods.labellers.*"]
)


def method(
    name: str, *, source: str, probabilities: bool = False, version: str = "1"
) -> Callable[[Labeller], Labeller]:
    """Register a labeller; the first line of its docstring is its summary.

    Args:
        name: lower-case words with hyphens.
        source, probabilities, version: as in `Method`.

    Raises:
        MechprobeError: the name is taken, or does not have that form.
    """

    def register(judge: Labeller) -> Labeller:
        summary = (judge.__doc__ or "").strip().split("\n")[0]
        made = Method(name, summary, source, judge, probabilities, version)
        METHODS.add(name, made, judge.__module__)
        return judge

    return register


def ask(name: str, model: HookedTransformer, task: HistogramTask, seed: int = 0) -> Answer:
    """What a labeller says of a model; one that fails abstains, and `why` says how.

    Args:
        name: of the labeller.
        model: in its natural view; the labeller is given a copy of its own.
        task: that it was asked.
        seed: of the labeller's random draws.

    Raises:
        MechprobeError: there is no such labeller.
    """
    found = METHODS.find(name)
    twin = model.rebuilt(model.weights()).eval()
    start = time.perf_counter()
    try:
        with settled(), guarded(f"method {name!r}", found.judge.__module__):
            given = found.judge(twin, task, seed)
        scores = _checked(name, given)
    except MechprobeError as error:
        return Answer(seconds=time.perf_counter() - start, why=str(error))
    return Answer(scores=scores, seconds=time.perf_counter() - start)


def _checked(name: str, given: object) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise MechprobeError(
            f"method {name!r} gives {short(repr(given))}; scores by kind are wanted, or None"
        )
    for kind, score in given.items():
        if kind not in KINDS:
            raise MechprobeError(
                f"method {name!r}: kind {short(repr(kind))} is unknown; {nearest(kind, KINDS)}"
            )
        try:
            good = isfinite(score)
        except TypeError:
            good = False
        if not good:
            raise MechprobeError(
                f"method {name!r}: the score of {kind!r} is {short(repr(score))}; a finite number"
                " is wanted"
            )
    return {str(kind): float(score) for kind, score in given.items()}
