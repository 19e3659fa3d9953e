"""The widths of the paper's bounds: known values, Welch's bound behind them, bad sizes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechprobe.models import construct
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.counting.bounds import (
    lookup_width,
    relation_width,
    relational_lookup_width,
    softmax_width,
    welch_coherence,
)

SIZES = st.integers(2, 500), st.integers(2, 60)


def test_the_values_of_the_papers_grid():
    assert lookup_width(32, 10) == 29
    assert relation_width(32, 10) == 30
    assert relational_lookup_width(32, 10) == 12
    assert softmax_width(32) == 8


@given(*SIZES)
def test_the_least_width_is_the_first_that_welch_allows(T: int, L: int):
    for width, power in ((lookup_width(T, L), 2), (relational_lookup_width(T, L), 1)):
        allowed = (2 * L - 3) ** (-power / 2)
        assert 1 <= width <= T
        assert welch_coherence(T, width) <= allowed * (1 + 1e-9)
        if width > 1:
            assert welch_coherence(T, width - 1) > allowed * (1 - 1e-9)


@given(*SIZES)
def test_a_second_comparison_needs_no_more_room(T: int, L: int):
    assert relational_lookup_width(T, L) <= lookup_width(T, L) < relation_width(T, L)


@given(st.integers(2, 10**6))
def test_the_binary_codes_width_is_that_of_the_logarithm(T: int):
    assert 2 ** (softmax_width(T) - 2) >= T + 1 > 2 ** (softmax_width(T) - 3)


@pytest.mark.parametrize("T", [8, 16, 32])
def test_the_construction_has_the_stated_width(T: int):
    assert construct("bos+sftm-binary", T=T, L=10).config.d == softmax_width(T)


def test_welch_is_met_by_orthogonal_and_simplex_vectors():
    assert welch_coherence(8, 8) == 0.0
    assert welch_coherence(8, 9) == 0.0
    assert math.isclose(welch_coherence(8, 7), 1 / 7)


def test_sizes_that_make_no_sense_are_refused():
    with pytest.raises(MechprobeError, match="T=1"):
        softmax_width(1)
    with pytest.raises(MechprobeError, match="L=1"):
        lookup_width(8, 1)
    with pytest.raises(MechprobeError, match="d=0"):
        welch_coherence(8, 0)
