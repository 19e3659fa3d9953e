"""Scores of a method's answers: error, area under the ROC, abstentions, cost, calibration.

A method is judged on the second half of the population, as it says (the highest score wins) and by
a decision fitted on the first half: a multinomial logistic regression of the truth on its scores,
which is where thresholds come from. To abstain is to be wrong, and half right in an area.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mechprobe.analyses.bench.methods.answers import KINDS, Answer, Answers, Truth

__all__ = ["Decision", "Row", "decisions", "roc_area", "score"]

EVERY, UNSEEN = "all", "not tuned on"
KNOWN = tuple(kind for kind in KINDS if kind not in ("other", "unsolved"))
BINS = 8


@dataclass(frozen=True)
class Decision:
    """What a method says of one model of the second half.

    Args:
        truth: what is known of the model.
        answer: the method's.
        said: the kind of the highest score; None where it abstained.
        fitted: the kind by the fitted decision; None where it abstained or nothing was fitted.
        confidence: probability of that kind.
    """

    truth: Truth
    answer: Answer
    said: str | None
    fitted: str | None
    confidence: float | None


@dataclass(frozen=True)
class Row:
    """Scores of one method on one part of the population.

    Args:
        method, part: which.
        models: how many.
        error, low, high: share of wrong kinds by the fitted decision, with Wilson's 95 % interval;
            None where nothing could be fitted.
        said_error, said_low, said_high: the same of the kind that the method says itself.
        relation_area: area under the ROC of relation-based against inventory-based, by the
            difference of their scores; None where the part lacks either.
        other_area: of other against all named kinds; None also where the method never scores
            "other".
        abstained: share of models.
        calibration: expected calibration error of the fitted probabilities.
        said_calibration: of the method's own, where it says that they are probabilities.
        seconds: median time a model; None where it is not known.
    """

    method: str
    part: str
    models: int
    error: float | None
    low: float | None
    high: float | None
    said_error: float
    said_low: float
    said_high: float
    relation_area: float | None
    other_area: float | None
    abstained: float
    calibration: float | None
    said_calibration: float | None
    seconds: float | None


def score(truth: Mapping[str, Truth], answers: Answers) -> list[Row]:
    """Scores on all of the second half, on what nobody was tuned on, and on each part."""
    found = decisions(truth, answers)
    parts = list(dict.fromkeys(one.truth.part for one in found))
    groups: list[tuple[str, Callable[[Decision], bool]]] = [
        (EVERY, lambda one: True),
        (UNSEEN, lambda one: not one.truth.tuned),
    ]
    groups += [(part, lambda one, part=part: one.truth.part == part) for part in parts]  # type: ignore[misc]
    chosen = [(part, [one for one in found if belongs(one)]) for part, belongs in groups]
    return [_row(answers, part, some) for part, some in chosen if some]


def decisions(truth: Mapping[str, Truth], answers: Answers) -> list[Decision]:
    """Every model of the second half, decided as the method says and by the fitted decision."""
    pairs = [(known, answers.answers.get(name) or Answer()) for name, known in truth.items()]
    tuning = [(known, given) for known, given in pairs if known.half == "tune" and given.scores]
    model = _fit(tuning)
    found = []
    for known, given in pairs:
        if known.half != "test":
            continue
        fitted, confidence = None, None
        if model is not None and given.scores:
            chances = model.predict_proba(_features([given]))[0]
            fitted = str(model.classes_[chances.argmax()])
            confidence = float(chances.max())
        found.append(Decision(known, given, given.kind, fitted, confidence))
    return found


def _fit(tuning: Sequence[tuple[Truth, Answer]]) -> Pipeline | None:
    kinds = [known.kind for known, _ in tuning]
    if len(set(kinds)) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=10.0, max_iter=5000))
    return model.fit(_features([given for _, given in tuning]), kinds)


def _features(answers: Sequence[Answer]) -> Float[np.ndarray, "answer kind"]:
    return np.array([[one.scores.get(kind, 0.0) for kind in KINDS] for one in answers])


def _row(answers: Answers, part: str, some: Sequence[Decision]) -> Row:
    truth = np.array([one.truth.kind for one in some])
    fitted = np.array([one.truth.right(one.fitted) for one in some])
    said = np.array([one.truth.right(one.said) for one in some])
    was_fitted = any(one.fitted is not None for one in some)
    error, low, high = _interval(~fitted) if was_fitted else (None, None, None)
    stated = [max(one.answer.scores.values(), default=None) for one in some]
    times = [one.answer.seconds for one in some if one.answer.seconds is not None]
    names_other = any("other" in one.answer.scores for one in some)
    said_error, said_low, said_high = _interval(~said)
    return Row(
        method=answers.method,
        part=part,
        models=len(some),
        error=error,
        low=low,
        high=high,
        said_error=said_error,
        said_low=said_low,
        said_high=said_high,
        relation_area=roc_area(
            _contrast(some, ("relation-based",), ("inventory-based",)),
            truth == "relation-based",
            truth == "inventory-based",
        ),
        other_area=roc_area(
            _contrast(some, ("other",), KNOWN), truth == "other", np.isin(truth, KNOWN)
        )
        if names_other
        else None,
        abstained=float(np.mean([not one.answer.scores for one in some])),
        calibration=_calibration([one.confidence for one in some], fitted),
        said_calibration=_calibration(stated, said) if answers.probabilities else None,
        seconds=float(np.median(times)) if times else None,
    )


def _interval(wrong: Bool[np.ndarray, " model"]) -> tuple[float, float, float]:
    low, high = binomtest(int(wrong.sum()), len(wrong)).proportion_ci(method="wilson")
    return float(wrong.mean()), float(low), float(high)


def _contrast(
    some: Sequence[Decision], these: Sequence[str], those: Sequence[str]
) -> Float[np.ndarray, " model"]:
    """Best score among these kinds less the best among those; NaN where the method abstained."""

    def best(scores: Mapping[str, float], kinds: Sequence[str]) -> float:
        return max((scores[kind] for kind in kinds if kind in scores), default=0.0)

    return np.array(
        [
            best(one.answer.scores, these) - best(one.answer.scores, those)
            if one.answer.scores
            else np.nan
            for one in some
        ]
    )


def roc_area(
    value: Float[np.ndarray, " model"],
    positive: Bool[np.ndarray, " model"],
    negative: Bool[np.ndarray, " model"],
) -> float | None:
    """Probability that a positive has a greater value than a negative; ties, and pairs with a NaN,
    count half. None where there are none of either."""
    if not positive.any() or not negative.any():
        return None
    difference = value[positive][:, None] - value[negative][None]
    return float(np.where(np.isnan(difference), 0.5, (np.sign(difference) + 1) / 2).mean())


def _calibration(
    confidence: Sequence[float | None], right: Bool[np.ndarray, " model"]
) -> float | None:
    """Mean distance between confidence and share of right answers, over bins of equal width."""
    there = np.array([one is not None for one in confidence])
    if not there.any():
        return None
    sure, good = np.array([one for one in confidence if one is not None]), right[there]
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    return float(
        sum(
            abs(good[which == b].mean() - sure[which == b].mean()) * (which == b).mean()
            for b in np.unique(which)
        )
    )
