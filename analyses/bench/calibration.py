"""Fit the confidence of labels on models whose mechanism is known.

    mechprobe bench calibration [--models N] [--seed S]

Labels pure, blended (alpha uniform in [0, 1]), damaged and untrained models and half of those that
were trained towards a causal model; notes the bootstrap margin and agreement and whether both axes
of the label were right, fits logistic regressions and writes
probes/counting/label/calibration.json. The benchmark checks it on other models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from mechprobe.analyses.bench.populations import (
    Member,
    blends,
    damaged,
    noisy_blends,
    possible,
    pure,
    trained,
    untrained,
)
from mechprobe.models.base.files import write_text
from mechprobe.models.base.parallel import run_all
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.label import calibration
from mechprobe.probes.counting.label.verdict import judge

OUTPUT = Path(calibration.__file__).with_name(calibration.FILE)


@dataclass(frozen=True)
class Outcome:
    """One labelled member.

    Args:
        margin: bootstrap margin of the counting label.
        right: whether that is the truth.
        agreement: share of replicates with the same attention label; None without one.
        attention_right: whether that is the truth; None where it is not known.
    """

    margin: float
    right: bool
    agreement: float | None
    attention_right: bool | None


def outcome(member: Member) -> Outcome:
    """Label one member and compare with its truth."""
    model = member.build()
    verdict = judge(CountContext(model, model.config.task(), seed=member.seed % 97))
    attention = member.attention()
    return Outcome(
        verdict.agreed.margin,
        verdict.mechanism == member.truth(model),
        verdict.agreed.attention,
        None if attention is None else verdict.attention == attention,
    )


def population(number: int, seed: int) -> list[Member]:
    """A quarter each of blends and noisy blends over the whole range, the rest pure, damaged and
    untrained; and half of the models that were trained towards a causal model."""
    Ts, Ls = (8, 16, 32), (6, 10, 15)
    plain = pure(Ts, Ls, 1, seed)
    rng = np.random.default_rng(seed)
    members = [plain[i] for i in rng.choice(len(plain), min(number // 5, len(plain)), False)]
    members += blends(Ts, Ls, number // 4, 0.0, 1.0, seed)
    members += noisy_blends(Ts, Ls, number // 4, seed + 1000)
    members += [m for m in damaged(number // 5, seed) if possible(m)]
    return members + untrained(Ts, Ls, number // 10, seed) + trained("fit")


def fit(outcomes: Sequence[Outcome], asked: int, seed: int) -> calibration.Calibration:
    """Logistic regressions of being right: on the margin, and on the agreement for attention."""
    known = [o for o in outcomes if o.attention_right is not None and o.agreement is not None]
    counting = fitted_on([o.margin for o in outcomes], [o.right for o in outcomes])
    attention = fitted_on(
        [o.agreement or 0.0 for o in known], [bool(o.attention_right) for o in known]
    )
    return calibration.Calibration(
        **counting.model_dump(),
        attention=attention,
        seed=seed,
        made_by=f"mechprobe bench calibration --models {asked} --seed {seed}",
    )


def fitted_on(values: Sequence[float], right: Sequence[bool]) -> calibration.Fit:
    """A logistic regression of being right on one number."""
    bound = 1 / (2 * len(right))
    if len(set(right)) == 1:  # nothing to regress on: as sure as so many models allow
        odds = log((1 - bound) / bound) * (1 if right[0] else -1)
        intercept, slope = odds, 0.0
    else:
        model = LogisticRegression(C=100.0).fit(np.array(values)[:, np.newaxis], np.array(right))
        intercept, slope = float(model.intercept_[0]), float(model.coef_[0, 0])
    return calibration.Fit(
        intercept=intercept, slope=slope, floor=bound, ceiling=1 - bound, models=len(right)
    )


def run(models: int, seed: int) -> None:
    """Label, fit, write and print.

    Args:
        models: how many are asked for, about.
        seed: of the models.
    """
    members = population(models, seed)
    found = list(run_all(outcome, members, "labelling"))
    order = {member: i for i, member in enumerate(members)}
    outcomes = [o for _, o in sorted(found, key=lambda pair: order[pair[0]])]
    fitted = fit(outcomes, models, seed)
    write_text(OUTPUT, fitted.model_dump_json(indent=2) + "\n")
    right = np.mean([o.right for o in outcomes])
    print(f"{len(outcomes)} models, {right:.1%} labelled rightly; wrote {OUTPUT.name}:")
    print(fitted.model_dump_json(indent=2))
