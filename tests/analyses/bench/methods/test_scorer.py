"""Scores of answers made by hand, whose error and area are known."""

import numpy as np
import pytest

from mechprobe.analyses.bench.methods.answers import Answer, Answers, Truth
from mechprobe.analyses.bench.methods.scorer import Row, decisions, roc_area, score
from mechprobe.analyses.bench.methods.table import by_part, overview

RELATION, INVENTORY, OTHER = "relation-based", "inventory-based", "other"


def known(kind: str, half: str, part: str = "pure", **more: object) -> Truth:
    return Truth.model_validate(
        {"kind": kind, "half": half, "part": part, "tuned": True, "T": 8, "L": 6} | more
    )


def answers(given: dict[str, Answer | None], **more: bool) -> Answers:
    return Answers(method="by-hand", answers=given, **more)


def of(rows: list[Row], part: str) -> Row:
    return next(row for row in rows if row.part == part)


def one_sided(share: float) -> Answer:
    return Answer(scores={RELATION: share, INVENTORY: 1 - share})


def test_the_area_is_that_of_the_known_curve() -> None:
    """Three of four pairs are in the right order, one is tied: 3.5 / 4."""
    truth = {
        "a": known(RELATION, "test"),
        "b": known(RELATION, "test"),
        "c": known(INVENTORY, "test"),
        "d": known(INVENTORY, "test"),
    }
    given = {"a": one_sided(0.9), "b": one_sided(0.4), "c": one_sided(0.4), "d": one_sided(0.1)}
    row = of(score(truth, answers(given)), "all")
    assert row.relation_area == pytest.approx(3.5 / 4)
    assert row.said_error == 0.25  # b
    assert row.said_low < 0.25 < row.said_high
    assert row.error is None  # nothing to fit on
    assert row.other_area is None  # it never says "other"
    assert row.seconds is None


def test_other_against_every_named_kind() -> None:
    truth = {"a": known(OTHER, "test"), "b": known("mixed", "test"), "c": known(RELATION, "test")}
    given = {
        "a": Answer(scores={OTHER: 0.5, RELATION: 0.4}),
        "b": Answer(scores={OTHER: 0.5, RELATION: 0.1}),
        "c": Answer(scores={OTHER: 0.0, RELATION: 0.9}),
    }
    row = of(score(truth, answers(given)), "all")
    assert row.other_area == 0.5
    assert row.relation_area is None  # no inventory-based model


def test_to_abstain_is_wrong_and_half_right_in_an_area() -> None:
    truth = {"a": known(RELATION, "test"), "b": known(INVENTORY, "test")}
    row = of(score(truth, answers({"a": one_sided(1.0), "b": None})), "all")
    assert (row.relation_area, row.abstained, row.said_error) == (0.5, 0.5, 0.5)
    nothing = of(score(truth, answers({})), "all")
    assert (nothing.relation_area, nothing.abstained, nothing.said_error) == (0.5, 1.0, 1.0)


def test_thresholds_are_fitted_on_one_half_and_judged_on_the_other() -> None:
    """A method whose scores are shifted is wrong as it stands and right once fitted; what the
    second half holds is not looked at."""
    shares = np.linspace(0.55, 0.95, 9)
    kinds = [RELATION if share > 0.75 else INVENTORY for share in shares]
    truth, given = {}, {}
    for i, (share, kind) in enumerate(zip(shares, kinds, strict=True)):
        for half in ("tune", "test"):
            if abs(share - 0.75) > 0.01:
                truth[f"{half}{i}"] = known(kind, half)
                given[f"{half}{i}"] = one_sided(float(share))
    row = of(score(truth, answers(given)), "all")
    assert (row.models, row.error, row.said_error) == (8, 0.0, 0.5)
    turned = {
        name: known(INVENTORY if one.kind == RELATION else RELATION, "test")
        if one.half == "test"
        else one
        for name, one in truth.items()
    }
    assert of(score(turned, answers(given)), "all").error == 1.0


def test_parts_and_what_nobody_was_tuned_on() -> None:
    truth = {
        "a": known(RELATION, "test"),
        "b": known(OTHER, "test", part="planted", tuned=False, also=["mixed"]),
        "c": known(OTHER, "test", part="planted", tuned=False),
    }
    given = {
        "a": one_sided(0.8),
        "b": Answer(scores={"mixed": 1.0}, seconds=1.0),
        "c": Answer(scores={"mixed": 1.0}, seconds=3.0),
    }
    rows = score(truth, answers(given))
    assert [row.part for row in rows] == ["all", "not tuned on", "pure", "planted"]
    assert of(rows, "planted").said_error == 0.5  # "mixed" is also right for b
    assert of(rows, "not tuned on").seconds == 2.0
    assert "by-hand" in overview(rows)
    assert "planted (2)" in by_part(rows)


def test_probabilities_are_judged_as_such() -> None:
    """Four answers of 0.75, three of them right, are calibrated; two of four are 0.25 off."""
    truth = {name: known(RELATION, "test") for name in "abcd"}
    truth["d"] = known(INVENTORY, "test")
    given = dict.fromkeys("abcd", one_sided(0.75))
    row = of(score(truth, answers(given, probabilities=True)), "all")
    assert row.said_calibration == pytest.approx(0.0)
    truth["c"] = known(INVENTORY, "test")
    row = of(score(truth, answers(given, probabilities=True)), "all")
    assert row.said_calibration == pytest.approx(0.25)
    assert of(score(truth, answers(given)), "all").said_calibration is None


def test_of_equal_scores_the_first_kind_wins() -> None:
    assert Answer(scores={INVENTORY: 1.0, RELATION: 1.0}).kind == RELATION
    assert Answer().kind is None


def test_every_model_of_the_second_half_is_decided() -> None:
    truth = {"a": known(RELATION, "tune"), "b": known(RELATION, "test")}
    (one,) = decisions(truth, answers({"a": one_sided(1.0)}))
    assert (one.said, one.fitted, one.confidence) == (None, None, None)


@pytest.mark.parametrize("positive", [[False, False], [True, True]])
def test_an_area_needs_both(positive: list[bool]) -> None:
    mask = np.array(positive)
    assert roc_area(np.array([1.0, 2.0]), mask, ~mask) is None
