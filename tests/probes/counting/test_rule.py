"""The decision rule at each of its thresholds, without any model."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechprobe.probes.counting.label.rule import (
    CountEvidence,
    attention_kind,
    count_counters,
    counters_sentence,
    counting_mechanism,
    margin,
    token_kinds,
    token_shares,
)

T = 20
UP, DOWN = 1e-6, -1e-6


def evidence(kappa: float | list[float] = 1.0, **changed: object) -> CountEvidence:
    values = np.full(T, kappa) if isinstance(kappa, float) else np.array(kappa)
    plain = CountEvidence(1.0, np.ones(len(values)), values, 0.0, np.zeros(len(values), dtype=int))
    return replace(plain, **changed)


def verdict(e: CountEvidence) -> str:
    return counting_mechanism(e)[0]


def shares(shared: int, private: int, other: float = 0.5) -> list[float]:
    return [1.0] * shared + [0.0] * private + [other] * (T - shared - private)


def test_tokens_at_their_thresholds() -> None:
    kappa = np.array([0.7, 0.7 + DOWN, 0.3 + UP, 0.3, -0.3, -0.3 + DOWN, np.nan])
    wanted = ["shared", "partial", "partial", "private", "private", "opposed", "silent"]
    assert token_kinds(kappa) == wanted
    assert token_shares(kappa) == (1 / 7, 2 / 7)


@pytest.mark.parametrize(
    ("above", "label_above", "below", "label_below"),
    [
        (evidence(accuracy=0.9), "relation-based", evidence(accuracy=0.9 + DOWN), "unsolved"),
        (
            evidence(own=np.full(T, 0.5)),
            "relation-based",
            evidence(own=np.full(T, 0.5 + DOWN)),
            "unsolved",
        ),
        (evidence(0.7), "relation-based", evidence(0.7 + DOWN), "mixed"),
        (evidence(0.3 + UP), "mixed", evidence(0.3), "inventory-based"),
        (evidence(-0.3), "inventory-based", evidence(-0.3 + DOWN), "mixed"),
        (evidence(shares(17, 3)), "relation-based", evidence(shares(16, 4)), "mixed"),
        (evidence(shares(0, 17)), "inventory-based", evidence(shares(4, 16)), "mixed"),
        (evidence(0.0, lost=0.5), "mixed", evidence(0.0, lost=0.5 + DOWN), "inventory-based"),
        (evidence(separable=0.6), "relation-based", evidence(separable=0.6 + DOWN), "unsolved"),
    ],
)
def test_labels_at_their_thresholds(
    above: CountEvidence, label_above: str, below: CountEvidence, label_below: str
) -> None:
    assert verdict(above) == label_above
    assert verdict(below) == label_below


def test_a_relation_may_lose_everything() -> None:
    assert verdict(evidence(1.0, lost=1.4)) == "relation-based"


def test_opposed_tokens_are_mixed_and_said() -> None:
    found, why = counting_mechanism(evidence(-1.2, lost=0.75))
    assert found == "mixed"
    assert why.endswith("20 answer against a foreign count component (kappa below -0.3)")
    assert "0% of the tokens share a counter, 0% keep a private one" in why
    assert "answer against" not in counting_mechanism(evidence(0.5))[1]


def test_transport_and_removal_may_contradict_each_other() -> None:
    found, why = counting_mechanism(evidence(0.1, lost=0.8))
    assert found == "mixed"
    assert "100% of the tokens ignore" in why
    assert "costs 80%" in why
    assert "neither pure mechanism" in why
    # What speaks for the label less what speaks against, halved.
    assert margin("mixed", evidence(0.1, lost=0.8)) == pytest.approx((0.3 - 0.2) / 2)
    assert margin("mixed", evidence(0.0, lost=0.55)) == pytest.approx((0.05 - 0.3) / 2)


def test_silent_tokens_count_for_no_side() -> None:
    silent = [np.nan] * 4
    assert verdict(evidence([*silent, *[1.0] * 16])) == "mixed"
    assert verdict(evidence([*silent[:3], *[1.0] * 17])) == "relation-based"
    assert verdict(evidence([*silent[:3], *[0.0] * 17])) == "inventory-based"
    everything = evidence([np.nan] * T, accuracy=0.2)
    assert verdict(everything) == "unsolved"
    assert margin("unsolved", everything) == 0.3


def test_unsolved_says_why_and_what_it_leans_to() -> None:
    low = counting_mechanism(evidence(accuracy=0.86), "partition sequences")[1]
    assert "accuracy 0.860 on partition sequences is below 0.9" in low
    leaning = counting_mechanism(evidence(shares(15, 5), accuracy=0.5))[1]
    assert leaning.endswith("leans to 75% shared and 25% private tokens")
    silent = counting_mechanism(evidence(own=np.full(T, 0.2), accuracy=0.99))[1]
    assert silent.startswith("99% of the answers are right, but")
    assert "slope 0.20 only" in silent
    assert "only 30% of the cells" in counting_mechanism(evidence(separable=0.3))[1]


def test_counters() -> None:
    three = evidence(counters=np.array([0] * 10 + [1] * 8 + [2] * 1 + [3] * 1))
    assert count_counters("relation-based", three) == 2
    assert count_counters("inventory-based", three) == 4
    assert count_counters("mixed", three) == 4
    assert count_counters("unsolved", three) is None
    apart = evidence(counters=np.arange(T))
    assert count_counters("relation-based", apart) == 1


@pytest.mark.parametrize(
    ("mechanism", "sizes", "says"),
    [
        ("relation-based", [20], "all 20 tokens share one"),
        (
            "relation-based",
            [10, 8, 1, 1],
            "2 groups of tokens share one each, 2 have one of their own",
        ),
        ("relation-based", [1] * 20, "one for all 20 tokens, though no two of them follow"),
        ("inventory-based", [1] * 20, "each of 20 tokens has one of its own"),
        ("inventory-based", [19, 1], "19 tokens share one, 1 has one of its own"),
        ("mixed", [20], "the 20 tokens fall into one group by whose"),
        (
            "mixed",
            [12, 7, 1],
            "the 20 tokens fall into 3 groups (1 of a single token) by",
        ),
        ("mixed", [12, 8], "the 20 tokens fall into 2 groups by whose"),
        ("unsolved", [20], None),
    ],
)
def test_counters_in_words(mechanism: str, sizes: list[int], says: str | None) -> None:
    found = counters_sentence(mechanism, evidence(counters=np.repeat(np.arange(len(sizes)), sizes)))
    assert found == says if says is None else found is not None and found.startswith(says)


def test_a_relation_of_groups_says_whose_count_is_followed() -> None:
    _, one = counting_mechanism(evidence(1.0))
    assert "count component of other tokens (kappa at least 0.7)" in one
    _, two = counting_mechanism(evidence(1.0, counters=np.arange(T) % 2))
    assert "of their own group's other tokens (2 groups; kappa at least 0.7)" in two


@pytest.mark.parametrize(
    ("share", "relative", "kept", "kind"),
    [
        (1.0, 0.02, 1.0, "semantic"),
        (1.0, 0.02 + DOWN, 1.0, "uninformed"),
        (1.0, 0.02 + DOWN, 0.99, "uninformed"),
        (1.0, 0.02 + DOWN, 0.99 + DOWN, "semantic"),  # small, yet the answers need it
        (0.0, 0.02 + DOWN, 0.5, "positional"),
        (0.8, 0.5, 0.0, "semantic"),
        (0.8 + DOWN, 0.5, 0.0, "mixed"),
        (0.2 + UP, 0.5, 0.0, "mixed"),
        (0.2 + DOWN, 0.5, 0.0, "positional"),
    ],
)
def test_attention_at_its_thresholds(share: float, relative: float, kept: float, kind: str) -> None:
    found, why = attention_kind(share, relative, kept, constant=False)
    assert found == kind
    assert ("the answers need it" in why) == (relative < 0.02 and kind != "uninformed")


@pytest.mark.parametrize("relative", [0.0, 0.01, 3.0])
def test_a_constant_matrix_is_positional_however_uniform(relative: float) -> None:
    found, why = attention_kind(0.0, relative, 1.0, constant=True)
    assert found == "positional"
    assert f"vary by {relative:.0%}" in why


@given(
    kappa=st.lists(st.floats(-2, 2) | st.just(float("nan")), min_size=2, max_size=12),
    accuracy=st.floats(0, 1),
    own=st.floats(0, 1.5),
    lost=st.floats(-0.5, 1.5),
    separable=st.floats(0, 1),
)
def test_margins_are_bounded(
    kappa: list[float], accuracy: float, own: float, lost: float, separable: float
) -> None:
    e = evidence(
        kappa, accuracy=accuracy, own=np.full(len(kappa), own), lost=lost, separable=separable
    )
    label, why = counting_mechanism(e)
    low = -0.3 if "neither pure" in why else 0.0
    assert low <= margin(label, e) <= 0.3


@pytest.mark.parametrize(
    ("kind", "e"),
    [
        ("relation-based", evidence(accuracy=0.9)),
        ("unsolved", evidence(accuracy=0.9 + DOWN)),
        ("relation-based", evidence(own=np.full(T, 0.5))),
        ("unsolved", evidence(own=np.full(T, 0.5 + DOWN))),
        ("unsolved", evidence(separable=0.6 + DOWN)),
        ("relation-based", evidence(0.7)),
        ("relation-based", evidence(shares(17, 3))),
        ("inventory-based", evidence(0.3)),
        ("inventory-based", evidence(-0.3)),
        ("inventory-based", evidence(shares(0, 17))),
        ("inventory-based", evidence(0.0, lost=0.5 + DOWN)),
    ],
)
def test_margins_vanish_at_the_thresholds(kind: str, e: CountEvidence) -> None:
    assert verdict(e) == kind
    assert margin(kind, e) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("tokens", [(16, 4), (4, 16)])
def test_one_token_from_a_pure_label_is_a_small_margin(tokens: tuple[int, int]) -> None:
    e = evidence(shares(*tokens))
    assert verdict(e) == "mixed"
    assert margin("mixed", e) == pytest.approx(0.05 / 3)


def test_margins_far_from_the_thresholds() -> None:
    assert margin("relation-based", evidence(1.0)) == pytest.approx(0.3)
    assert margin("inventory-based", evidence(0.0)) == pytest.approx(0.3)
    assert margin("mixed", evidence(0.5)) == pytest.approx(0.2833, abs=1e-3)
    assert margin("unsolved", evidence(accuracy=0.2)) == pytest.approx(0.3)
    assert margin("relation-based", evidence(1.0, accuracy=0.95)) == pytest.approx(0.15)
