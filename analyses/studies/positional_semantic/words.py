"""What each part of the page says, made from the study's numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mechprobe.analyses.studies.positional_semantic.contents import (
    RESTRICTED,
    Model,
    PositionalSemantic,
    Spread,
    Start,
)
from mechprobe.analyses.studies.positional_semantic.tables import counted, mean
from mechprobe.probes.attention import ATTENTION
from mechprobe.reports.formatting import MISSING, number, percent

SAME = 0.05  # weights that differ by less look alike in the figure


@dataclass(frozen=True)
class Weights:
    """Mean attention weights over example sequences: to itself, to other positions with an equal
    token, to positions with another; and the greatest difference of one weight, at the same query
    and key position, between sequences."""

    own: float
    equal: float | None
    other: float | None
    change: float


def weights(model: Model, examples: Sequence[Sequence[int]]) -> Weights:
    """Read off a model's patterns."""
    patterns, tokens = np.array(model.patterns), np.array(examples)
    own = np.broadcast_to(np.eye(tokens.shape[1], dtype=bool), patterns.shape)
    equal = tokens[:, :, None] == tokens[:, None]
    parts = (patterns[cells] for cells in (own, equal & ~own, ~equal))
    means = [float(found.mean()) if found.size else None for found in parts]
    change = float(np.ptp(patterns, axis=0).max())
    return Weights(means[0] or 0.0, means[1], means[2], change)


def accuracy(study: PositionalSemantic) -> list[str]:
    """Accuracy beside the published one."""
    says = []
    for start, freed in ((s, f) for s in RESTRICTED for f in (False, True)):
        models = study.stage(start, freed)
        if not models:
            continue
        found = Spread.of([model.accuracy for model in models])
        text = f"{start} {'after unfreezing' if freed else 'models'}: {_spread(found)}"
        known = study.published.get(start)
        if known is not None and not freed:
            text += f"; published {_spread(known.accuracy)}"
        says.append(f"{text}.")
    if models := study.stage("both"):
        found = Spread.of([model.accuracy for model in models])
        says.append(f"Free models: {_spread(found)}; the paper gives no number.")
    return says


def pattern(study: PositionalSemantic, start: Start) -> list[str]:
    """What the shown matrices show."""
    shown = study.stage(start)[0]
    found = weights(shown, study.examples)
    says = [_weights(found)]
    if found.change <= SAME:
        says.append(
            "Whatever the tokens: from one sequence to the next no weight differs by"
            f" {_limit(found.change)}."
        )
    else:
        says.append(
            "It depends on the tokens: from one sequence to the next a weight differs by up to"
            f" {_points(found.change)}."
        )
    if after := study.stage(start, True):
        moved = float(np.abs(np.array(after[0].patterns) - np.array(shown.patterns)).max())
        says.append(f"Unfreezing and further training changes no weight by {_limit(moved)}.")
    return [" ".join(says)]


def sources(study: PositionalSemantic) -> list[str]:
    """Where scores come from, before, after, and in free models."""
    says = [
        "Attention scores, less what a softmax does not see, split exactly into a part due to"
        " positions, a part due to tokens and a cross term; the variances add up to the scores’."
        " The roots of the first two variances, mean over heads, play the parts that m and θ play"
        " in the solvable model of the paper: an analogy, they are no overlaps with a teacher.",
    ]
    for start, kind in RESTRICTED.items():
        before, after = study.stage(start), study.stage(start, True)
        if not before:
            continue
        text = f"{start}: {_share(before, kind)} {kind} before unfreezing"
        if after:
            text += f", {_share(after, kind)} after; amplitudes {_amplitudes(before)} before, "
            text += f"{_amplitudes(after)} after"
        says.append(f"{text}.")
    if models := study.stage("both"):
        says.append(
            f"Free models: {_share(models, 'positional')} positional, {_share(models, 'semantic')}"
            f" semantic, {_share(models, 'cross')} cross; amplitudes {_amplitudes(models)}."
            + _identities(models)
        )
    return says


def kept(study: PositionalSemantic) -> list[str]:
    """Whether one source is enough."""
    says = []
    stages = [(f"{start}{', unfrozen' * freed}", study.stage(start, freed))
              for start in RESTRICTED for freed in (False, True)]  # fmt: skip
    for name, models in [*stages, ("Free models", study.stage("both"))]:
        if models:
            found = {part: percent(mean([getattr(m.kept, part) for m in models]))
                     for part in ("everything", "positional", "semantic", "neither")}  # fmt: skip
            says.append(
                f"{name}: {found['everything']} untouched, {found['positional']} with the"
                f" positional part alone, {found['semantic']} with the semantic part alone,"
                f" {found['neither']} with uniform attention."
            )
    chance = percent(mean([model.kept.chance for model in study.models]))
    return [*says, f"The best constant answer gets {chance}."]


def distances(study: PositionalSemantic) -> list[str]:
    """How far unfreezing leads, against the way from initialisation, and what it compares with."""
    says = []
    trained: set[tuple[tuple[int, int], tuple[int, int]]] = set()
    for start in RESTRICTED:
        before, after = study.stage(start), study.stage(start, True)
        if not before or not after:
            continue
        first, then = (Spread.of([m.moved for m in models]) for models in (before, after))
        text = (
            f"{start} models move by {_moved(first)} from initialisation to the solution and by"
            f" {_moved(then)} after unfreezing, {percent(then.mean / first.mean)} of it"
            f" (the noise before that: {number(mean([m.noise for m in after]))})"
        )
        if (known := study.published.get(start)) is not None:
            text += f"; published {_moved(known.from_start)} and {_moved(known.freed)}"
            trained.add(((before[0].epochs, after[0].epochs), known.epochs))
        says.append(f"{text}.")
    for (first_ours, then_ours), (first_theirs, then_theirs) in sorted(trained):
        says.append(
            f"The published distances are of another budget: these models trained for {first_ours}"
            f" epochs and for {then_ours} after unfreezing, theirs for {first_theirs} and"
            f" {then_theirs} (What was trained has the rest). The noise alone is not in these"
            " distances; whether it is in theirs the paper does not say."
        )
    return says


def labels(study: PositionalSemantic) -> list[str]:
    """Whether both solutions are known for what they are, and stay."""
    found = [model.right for model in study.models if model.right is not None]
    before = [model.right for _, model, _ in study.solutions]
    after = [model.right for _, _, model in study.solutions]
    if found and all(found):
        first = f"All {len(found)} labels are right: both solutions are told apart and stay."
    else:
        first = (
            f"{sum(map(bool, before))} of {len(before)} labels are right before unfreezing,"
            f" {sum(map(bool, after))} of {len(after)} after."
        )
    changed = [
        f"{new.name} turns from {old.attention} to {new.attention}"
        for _, old, new in study.solutions
        if old.attention != new.attention
    ]
    return [first, *([f"{'; '.join(changed)}."] if changed else [])]


def free(study: PositionalSemantic) -> list[str]:
    """Where training from scratch ends."""
    models = study.stage("both")
    if not models:
        return ["No free models were trained."]
    ends = Counter(model.attention for model in models)
    # All kinds but the one that is rare for models that count right.
    kinds = [kind for kind in ATTENTION.kinds if ends[kind] or kind != "uninformed"]
    listed = ", ".join(f"{ends[kind]} {kind}" for kind in kinds)
    inside = sum(study.ranges.hold(model.shares) for model in models)
    spans = [
        _span([getattr(m.shares, part) for m in models]) for part in ("positional", "semantic")
    ]
    expected = [
        f"{low} to {high} %" for low, high in (study.ranges.positional, study.ranges.semantic)
    ]
    if len(models) == 1:
        (one,) = models
        return [
            "The one model trained from scratch with everything free is"
            f" {one.attention} in the end ({one.verdict}).",
            "Its shares are {} positional and {} semantic; expected are {} and {}.".format(
                *spans, *expected
            )
            + f" In whole per cent they are {'within' if inside else 'not within'}.",
        ]
    return [
        f"Of {len(models)} models trained from scratch with everything free, {listed} in the end"
        f" ({counted([model.verdict for model in models])}).",
        "Shares are {} positional and {} semantic; expected are {} and {}.".format(
            *spans, *expected
        )
        + f" {inside} of {len(models)} are within, in whole per cent.",
    ]


def _weights(found: Weights) -> str:
    text = f"On the examples a query gives {percent(found.own, 0)} to itself"
    if found.equal is not None:
        text += f", {percent(found.equal)} to each other position with an equal token"
    if found.other is not None:
        text += f", {percent(found.other)} to one with another token"
    return f"{text} (means)."


def _identities(models: Sequence[Model]) -> str:
    text = ""
    for what, name in (("Positions", "position_identity"), ("Tokens", "token_identity")):
        cosine = mean([getattr(model, name) for model in models])
        if cosine is not None and abs(cosine) > 0.9:
            does = "attract" if cosine > 0 else "repel"
            text += f" {what} {does} themselves: cosine with the identity {cosine:.3f}."
    return text.replace("-", "−")


def _share(models: Sequence[Model], part: str) -> str:
    return percent(mean([getattr(model.shares, part) for model in models]))


def _amplitudes(models: Sequence[Model]) -> str:
    m, theta = (mean([getattr(x, name) for x in models]) for name in ("m_like", "theta_like"))
    return f"{_short(m)} (like m) and {_short(theta)} (like θ)"


def _short(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _points(change: float) -> str:
    return f"{100 * change:.1f} points"


def _limit(change: float) -> str:
    """What no weight differs by, without a difference of zero."""
    return f"more than {_points(change)}" if change >= 0.0005 else "as much as 0.1 points"


def _span(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    ends = list(dict.fromkeys(percent(end(known)) for end in (min, max))) if known else [MISSING]
    return " to ".join(ends)


def _spread(found: Spread) -> str:
    sd = "" if found.sd is None else f"sd {percent(found.sd, 2)}, "
    return f"{percent(found.mean, 2)} ({sd}{found.runs} run{'s' * (found.runs > 1)})"


def _moved(found: Spread) -> str:
    return number(found.mean) + ("" if found.sd is None else f" (sd {number(found.sd)})")
