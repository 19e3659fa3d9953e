"""Calibration errors of labels made up so that the right value is known."""

import math

import pandas as pd
import pytest

from mechprobe.analyses.bench.reliability import calibration_error, perfect_error


def labels(confidence: list[float], right: list[bool]) -> pd.DataFrame:
    """A table of labels, right or wrong."""
    found = ["mixed" if one else "unsolved" for one in right]
    return pd.DataFrame({"confidence": confidence, "mechanism": found, "truth": "mixed"})


def test_the_error_weighs_bins_by_their_labels() -> None:
    table = labels([0.95, 0.95, 0.45, 0.45], [True, False, True, False])
    assert calibration_error(table) == pytest.approx((0.45 + 0.05) / 2)


def test_no_labels_have_no_error() -> None:
    nothing = labels([], [])
    assert math.isnan(calibration_error(nothing))
    assert math.isnan(perfect_error(nothing))


def test_perfect_calibration_of_few_labels_has_an_error() -> None:
    """Of one label at .9 the error is .1 nine times of ten, and .9 else; of many it fades."""
    assert perfect_error(labels([0.9], [True])) == pytest.approx(0.18, abs=0.015)
    assert perfect_error(labels([0.9] * 400, [True] * 400)) < 0.02
    sure = labels([1.0, 0.0], [True, False])
    assert perfect_error(sure) == 0.0


def test_the_error_of_perfect_calibration_is_the_same_each_time() -> None:
    table = labels([0.3, 0.6, 0.8], [True, True, False])
    assert perfect_error(table) == perfect_error(table)
