"""What happened along a run, a sentence for each question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mechprobe.analyses.dynamics.runs import Dynamics, Run
from mechprobe.probes.axes import Performance
from mechprobe.probes.change_points import COVERED, LEAST, ChangePoint, Changes
from mechprobe.probes.followed import Bar, Followed
from mechprobe.probes.formation import Change, Formation, Onset, Precedence
from mechprobe.probes.snapshots import Snapshot
from mechprobe.reports.formatting import MISSING, number
from mechprobe.reports.labels import written

MOST_CHANGES = 6  # listed one by one; a run that flickers more often is summed up


def sentences(found: Formation, dynamics: Dynamics) -> list[str]:
    """The bar, leaning, their order, the label, switches."""
    bar, performance = dynamics.followed.bar, dynamics.performance
    return [
        _solving(found, bar),
        _leaning(found, performance),
        *_beginning(found, performance),
        *_order(found, bar),
        _label(found),
        _switches(found),
        *_turns(found),
    ]


def told(run: Run, dynamics: Dynamics) -> list[str]:
    """Everything of a run: what `sentences` says, where curves change at once, what is missing."""
    return [
        *sentences(run.formation, dynamics),
        *_jumps(run.changes),
        *_missing(run.snapshots, dynamics.followed),
    ]


def _missing(snapshots: Sequence[Snapshot], followed: Followed) -> list[str]:
    """A sentence for each column that some snapshots have no number in, commonest reason first."""
    says = []
    for title, name in followed.columns.items():
        steps: dict[str, list[int]] = {}
        for one in snapshots:
            if (reason := one.why.get(name)) is not None:
                steps.setdefault(reason, []).append(one.step)
        if not steps:
            continue
        commonest = sorted(steps.items(), key=lambda pair: -len(pair[1]))
        reasons = [f"{_at(where)} {followed.reasons.get(why, why)}" for why, where in commonest]
        lost = sum(len(where) for where in steps.values())
        says.append(f"No {title} at {lost} of {len(snapshots)} snapshots: {'; '.join(reasons)}.")
    return says


def _at(steps: Sequence[int]) -> str:
    if len(steps) == 1:
        return f"at step {steps[0]}"
    return f"at {len(steps)} from step {steps[0]} to {steps[-1]}"


def _jumps(changes: Mapping[str, Changes]) -> list[str]:
    looked = {name: found.points for name, found in changes.items() if found.points is not None}
    says = [
        f"Change point of {name}: {_jump(point)}."
        for name, points in looked.items()
        for point in points
    ]
    still = [name for name, points in looked.items() if not points]
    if still:
        says.append(f"No change point is found in {' and '.join(_comma(still))}.")
    short = [name for name, found in changes.items() if found.points is None]
    if short:
        says.append(
            "Too few snapshots with a number to look for change points in"
            f" {' and '.join(_comma(short))} ({LEAST} are needed)."
        )
    return says


def _jump(point: ChangePoint) -> str:
    way = "up" if point.jump > 0 else "down"
    return (
        f"{way} by {abs(point.jump):.2g} between steps {point.after} and {point.step}"
        f" ({COVERED}\u00a0%: {point.low} to {point.high})"
    )


def _comma(names: Sequence[str]) -> list[str]:
    """At most two parts: all but the last with commas, and the last."""
    return [", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names)


def at(onset: Onset | None) -> str:
    """A step, or a dash."""
    return MISSING if onset is None else str(onset.step)


def factor(found: Precedence) -> str:
    """How many times as many steps the later one took, with its bounds."""
    span = (
        f"{_times(found.least)} to {_times(found.greatest)}"
        if found.greatest
        else (f"at least {_times(found.least)}")
    )
    return f"{_times(found.factor)} ({span})"


def _times(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _when(onset: Onset) -> str:
    if onset.after is None:
        return "at the first snapshot"
    return f"at step {onset.step} (not yet at {onset.after})"


def _since(onset: Onset) -> str:
    if onset.after is None:
        return "from the first snapshot on"
    return f"from step {onset.step} on (not yet at {onset.after})"


def _solving(found: Formation, bar: Bar) -> str:
    if found.first_solved is None:
        return f"{bar.never}."
    begins = f"{bar.reaches} {_when(found.first_solved)}"
    if found.solved is None:
        return f"{begins}, yet ends below."
    if found.solved == found.first_solved:
        return f"{begins} and stays there."
    return f"{begins}, falls below again, and is back for good {_since(found.solved)}."


def _there(onset: Onset, performance: Performance) -> str:
    return f"where {performance.name} is {_rounded(onset, performance)}"


def _rounded(onset: Onset, performance: Performance) -> str:
    column = performance.column
    # Whole per cent are enough in a sentence.
    whole = replace(column, show="confidence") if column.show == "share" else column
    return written(whole, onset.performance)


def _leaning(found: Formation, performance: Performance) -> str:
    if found.leaning is None or found.first_leans is None or found.leans is None:
        return "In the end the evidence leans to no mechanism."
    model = f"{_article(found.leaning)} model"
    there = _there(found.first_leans, performance)
    if found.leans == found.first_leans:
        return f"The evidence is that of {model} {_since(found.leans)}, {there}, and stays so."
    return (
        f"The evidence is first that of {model} {_when(found.first_leans)}, {there}, and for good"
        f" {_since(found.leans)}, where it is {_rounded(found.leans, performance)}."
    )


def _beginning(found: Formation, performance: Performance) -> list[str]:
    """Told where the evidence first leant to something else than in the end."""
    if found.begins is None or found.begins_as is None or found.begins_as == found.leaning:
        return []
    return [
        f"It first leant elsewhere: to {_article(found.begins_as)} model {_when(found.begins)},"
        f" {_there(found.begins, performance)}."
    ]


def _order(found: Formation, bar: Bar) -> list[str]:
    good, early = found.for_good, found.at_first
    if good is not None and early is not None and good != early:
        return [
            f"{_says(good, bar)}, both for good.",
            f"Counting first times, {_lower(_says(early, bar))}.",
        ]
    one = good or early
    return [] if one is None else [f"{_says(one, bar)}."]


def _says(found: Precedence, bar: Bar) -> str:
    if found.leaning == "together":
        return f"The mechanism and {bar.noun} come between the same two snapshots"
    earlier, later = "The mechanism", bar.noun
    if found.leaning == "after":
        earlier, later = f"{bar.noun[0].upper()}{bar.noun[1:]}", "the mechanism"
    return f"{earlier} is there first: {later} takes {factor(found)} times as many steps"


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _label(found: Formation) -> str:
    if found.formed is None:
        return f"The last snapshot is {found.final}: no label forms."
    return f"The label {found.final} holds for good {_since(found.formed)}."


def _switches(found: Formation) -> str:
    if not found.solved_snapshots:
        return "No snapshot is solved, so that no label could switch."
    of = f"the {found.solved_snapshots} solved snapshots"
    if found.solved_snapshots == 1:
        return "One snapshot alone is solved, so that no label could switch."
    if not found.labels:
        return f"Among {of} the label never switches."
    return f"Among {of} the label switches {_listed(found.labels)}."


def _turns(found: Formation) -> list[str]:
    if found.leanings:
        return [f"What the evidence leans to changes {_listed(found.leanings)}."]
    return [] if found.leaning is None else ["What the evidence leans to never changes."]


def _listed(changes: Sequence[Change]) -> str:
    times = {1: "once", 2: "twice"}.get(len(changes), f"{number(len(changes))} times")
    if len(changes) > MOST_CHANGES:
        return (
            f"{times} between steps {changes[0].after} and {changes[-1].step},"
            f" from {changes[0].old} to {changes[-1].new} in the end"
        )
    words = (f"from {c.old} to {c.new} at step {c.step}{_sure(c)}" for c in changes)
    return f"{times}: {', '.join(words)}"


def _sure(change: Change) -> str:
    sure = change.confidence
    return "" if sure is None else f" (with a confidence of up to {sure:.2f})"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
