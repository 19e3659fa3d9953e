"""The refutation study: what counts as a jump, a cluster and a filled line, and one real model."""

import numpy as np
import pandas as pd
import pytest

from mechprobe.analyses.bench.refutation import measuring
from mechprobe.analyses.bench.refutation.findings import (
    crossings,
    filling,
    largest_steps,
    middle,
)
from mechprobe.analyses.bench.refutation.measuring import FREE, MEASURES, Row, measured
from mechprobe.analyses.bench.refutation.page import drawn, page, smooth
from mechprobe.models import construct

AT = np.linspace(0, 1, 21)


def table(curve: np.ndarray, path: str) -> pd.DataFrame:
    """Models whose every measure is the same number."""
    rows = [
        {
            "path": path, "at": at, "seed": 0, "accuracy": 1.0, "relation_control": 0.1,
            "inventory_control": 0.5, **dict.fromkeys(MEASURES, value), "inventory": 1 - value,
            **{f"token_{name}": [value, value] for name in ("kappa", "received", "used")},
        }
        for at, value in zip(np.resize(AT, len(curve)), curve, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_straight_path_is_smooth_and_a_staircase_is_not():
    straight, stairs = table(AT, "straight"), table((AT > 0.52).astype(float), "stairs")
    assert largest_steps(straight).to_numpy() == pytest.approx(np.full((1, 7), 0.05))
    assert largest_steps(straight, 4).to_numpy() == pytest.approx(np.full((1, 7), 0.2))
    assert largest_steps(stairs).to_numpy() == pytest.approx(np.ones((1, 7)))
    assert smooth(straight) == (True, [])
    assert smooth(stairs) == (False, list(MEASURES))
    assert smooth(pd.concat([straight, stairs])) == (True, [])
    assert crossings(stairs).iloc[0]["kappa"] == pytest.approx(0.55)


def test_a_measure_that_does_not_change_has_no_steps():
    assert largest_steps(table(np.full(21, 0.4), "flat")).isna().all(axis=None)


def test_a_middle_is_empty_thin_or_full():
    spread, ends = np.linspace(0, 1, 400), np.repeat([0.0, 1.0], 200)
    assert middle(ends)[0] == 0
    assert filling(middle(ends)) == "cluster"
    assert filling(middle(spread)) == "thin"  # uniform: not above what a uniform spread has
    assert filling(middle(np.full(400, 0.5))) == "fill"
    assert filling(middle(np.array([0.5, 0.1, 0.9]))) == "thin"


@pytest.mark.parametrize(
    ("path", "place", "made"), [(AT, 0.5, True), (AT, 1.0, False), (AT > 0.5, 0.5, False)]
)
def test_the_page_says_what_was_found(path, place, made):
    """Both findings are wanted: a smooth path, and models in the middle of it."""
    models = table(np.full(60, place), FREE[0])
    text = page(table(np.asarray(path, float), "dot-blend"), models, seeds=5)
    assert ("was made: a smooth path and a filled line" in text) is made
    assert ("was not made: it takes both halves" in text) is not made
    assert drawn(table(AT, "dot-blend"), models).axes


def test_both_ends_of_a_path_are_where_they_should_be():
    size = {"T": measuring.T, "L": measuring.L}
    low, high = (
        measured(construct("dot-blend", **size, alpha=at), "dot-blend", at, 0) for at in (0.0, 1.0)
    )
    assert isinstance(low, Row)
    assert (low.inventory, high.relation) == pytest.approx((1, 1), abs=0.01)
    for name in ("kappa", "lost", "received", "sent", "used"):
        assert abs(getattr(low, name)) < 0.05
        assert getattr(high, name) > 0.95
    assert max(low.relation_control, high.relation_control) < 0.4


def test_trained_models_are_of_every_architecture():
    made = list(measuring.trainees(2))
    assert len(made) == 2 * (3 * 4 + 3) == len(set(map(str, made)))
    assert {one.config.architecture for one in made} == {*measuring.FREE, *measuring.BOUND}
