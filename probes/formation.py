"""How a mechanism forms along a training run: onsets, order, switches. Pure, no models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from mechprobe.probes.snapshots import Snapshot


@dataclass(frozen=True)
class Onset:
    """From when on something holds.

    Args:
        step: the first snapshot where it does.
        after: the snapshot before, where it does not; None where there is none before.
        performance: at the first.
    """

    step: int
    after: int | None
    performance: float


@dataclass(frozen=True)
class Change:
    """A switch between two snapshots.

    Args:
        step, after: the first snapshot of the new kind, and the one before.
        confidence: greatest while the new kind lasts; a small one says that the evidence has only
            wobbled about a threshold. None for leanings, which have none.
    """

    step: int
    after: int
    old: str
    new: str
    confidence: float | None


@dataclass(frozen=True)
class Precedence:
    """Whether leaning came before the bar of the task was passed.

    Args:
        leaning: its place in the order.
        factor: how many times as many steps the later one took.
        least, greatest: what the distance of the snapshots leaves room for (None: unbounded).
    """

    leaning: Literal["before", "after", "together"]
    factor: float
    least: float
    greatest: float | None


@dataclass(frozen=True)
class Formation:
    """What happened along one run, read off its snapshots.

    Args:
        final: label in the end.
        leaning: what the evidence leans to in the end.
        first_solved, solved: when the bar is passed, and when for good.
        first_leans, leans: when the evidence leans as in the end, and when for good.
        begins, begins_as: when the evidence leans to anything at all, and to what.
        formed: from when on the final label holds for good; None where it names no mechanism.
        at_first, for_good: the order of the two; None where one of them never happened.
        labels: changes of the label among labelled snapshots.
        leanings: changes of the leaning among snapshots that lean.
        solved_snapshots: how many are labelled.
    """

    final: str
    leaning: str | None
    first_solved: Onset | None
    solved: Onset | None
    first_leans: Onset | None
    leans: Onset | None
    begins: Onset | None
    begins_as: str | None
    formed: Onset | None
    at_first: Precedence | None
    for_good: Precedence | None
    labels: list[Change]
    leanings: list[Change]
    solved_snapshots: int


def formation(snapshots: Sequence[Snapshot]) -> Formation:
    """Read a run off its snapshots.

    Args:
        snapshots: of one run, in the order of their steps, at least one.
    """
    last = snapshots[-1]

    def solved(one: Snapshot) -> bool:
        return one.solved

    def leans(one: Snapshot) -> bool:
        return one.leans is not None and one.leans == last.leans

    def labelled(one: Snapshot) -> bool:
        return one.labelled and one.kind == last.kind

    labels = [(one.step, one.kind, one.label.certainty) for one in snapshots if one.labelled]
    leanings = [(one.step, one.leans, None) for one in snapshots if one.leans is not None]
    return Formation(
        final=last.kind,
        leaning=last.leans,
        first_solved=first(snapshots, solved),
        solved=held(snapshots, solved),
        first_leans=first(snapshots, leans),
        leans=held(snapshots, leans),
        begins=first(snapshots, lambda one: one.leans is not None),
        begins_as=next((one.leans for one in snapshots if one.leans is not None), None),
        formed=held(snapshots, labelled),
        at_first=precedence(first(snapshots, leans), first(snapshots, solved)),
        for_good=precedence(held(snapshots, leans), held(snapshots, solved)),
        labels=changes(labels),
        leanings=changes(leanings),
        solved_snapshots=len(labels),
    )


def first(snapshots: Sequence[Snapshot], holds: Callable[[Snapshot], bool]) -> Onset | None:
    """The first snapshot where something holds."""
    for i, one in enumerate(snapshots):
        if holds(one):
            return _onset(snapshots, i)
    return None


def held(snapshots: Sequence[Snapshot], holds: Callable[[Snapshot], bool]) -> Onset | None:
    """The first snapshot from which on it holds in every one; None if not in the last."""
    start = len(snapshots)
    while start and holds(snapshots[start - 1]):
        start -= 1
    return None if start == len(snapshots) else _onset(snapshots, start)


def _onset(snapshots: Sequence[Snapshot], i: int) -> Onset:
    return Onset(snapshots[i].step, snapshots[i - 1].step if i else None, snapshots[i].performance)


def precedence(leans: Onset | None, solved: Onset | None) -> Precedence | None:
    """Which came first, and how many times as many steps the other one took.

    Each happened between two snapshots; the factor's bounds are those of the intervals.
    """
    if leans is None or solved is None:
        return None
    early, late = sorted((leans, solved), key=lambda onset: onset.step)
    if early.step == late.step:
        spread = late.step / late.after if late.after else None
        return Precedence("together", 1.0, 1.0, spread)
    least = (late.after or early.step) / early.step
    greatest = late.step / early.after if early.after else None
    place: Literal["before", "after"] = "before" if early is leans else "after"
    return Precedence(place, late.step / early.step, least, greatest)


def changes(kinds: Sequence[tuple[int, str, float | None]]) -> list[Change]:
    """Where a kind differs from the one before.

    Args:
        kinds: step, kind and confidence of successive snapshots.
    """
    stretches = [list(group) for _, group in groupby(kinds, key=lambda one: one[1])]
    found = []
    for before, stretch in pairwise(stretches):
        known = [confidence for _, _, confidence in stretch if confidence is not None]
        (after, old, _), (step, new, _) = before[-1], stretch[0]
        found.append(Change(step, after, old, new, max(known, default=None)))
    return found
