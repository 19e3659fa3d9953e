"""The decision rule at each of its thresholds, without any model."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechprobe.probes.counting.label.attention import attention_kind
from mechprobe.probes.counting.label.counters import count_counters, counters_sentence, variant
from mechprobe.probes.counting.label.evidence import (
    CountEvidence,
    Earlier,
    token_kinds,
    token_shares,
)
from mechprobe.probes.counting.label.margin import margin
from mechprobe.probes.counting.label.rule import counting_mechanism

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
            "other",
        ),
        (evidence(0.7), "relation-based", evidence(0.7 + DOWN), "mixed"),
        (evidence(0.3 + UP), "mixed", evidence(0.3), "inventory-based"),
        (evidence(-0.3), "inventory-based", evidence(-0.3 + DOWN), "other"),
        (evidence(-1.0, lost=0.5), "opposed", evidence(-1.0, lost=0.5 + DOWN), "other"),
        (evidence(shares(0, 3, -1.0), lost=1.0), "opposed", evidence(shares(0, 4, -1.0)), "mixed"),
        (
            evidence(used=np.full(T, 0.5)),
            "relation-based",
            evidence(used=np.full(T, 0.49)),
            "mixed",
        ),
        (evidence(values=(0.19, 0.5)), "positional", evidence(values=(0.2, 0.5)), "relation-based"),
        (evidence(values=(0.0, 0.5)), "positional", evidence(values=(0.0, 0.4)), "relation-based"),
        (evidence(shares(17, 3)), "relation-based", evidence(shares(16, 4)), "mixed"),
        (evidence(shares(0, 17)), "inventory-based", evidence(shares(4, 16)), "mixed"),
        (evidence(0.0, lost=0.5), "mixed", evidence(0.0, lost=0.5 + DOWN), "inventory-based"),
        (evidence(-1.0, separable=0.59), "inventory-based", evidence(-1.0, separable=0.6), "other"),
    ],
)
def test_labels_at_their_thresholds(
    above: CountEvidence, label_above: str, below: CountEvidence, label_below: str
) -> None:
    assert verdict(above) == label_above
    assert verdict(below) == label_below


def test_a_relation_may_lose_everything() -> None:
    assert verdict(evidence(1.0, lost=1.4)) == "relation-based"


def test_opposed_tokens_are_named() -> None:
    found, why = counting_mechanism(evidence(-1.0, lost=0.75))
    assert found == "opposed"
    assert why.startswith("100% of the tokens answer against other tokens' counts")
    assert "costs 75%" in why
    found, why = counting_mechanism(evidence([-1.0] * 10 + [1.0] * 10, lost=0.75))
    assert found == "mixed"
    assert why.endswith("10 answer against a foreign count component (kappa below -0.3)")
    assert "answer against" not in counting_mechanism(evidence(0.5))[1]


def test_tokens_that_follow_different_ones_are_no_relation() -> None:
    found, why = counting_mechanism(evidence(counters=np.array([0] * 16 + [1, 2, 3, 4])))
    assert found == "mixed"
    assert "only 80% have a counter together with others" in why


def test_what_is_shared_but_not_needed_is_no_relation() -> None:
    unused = evidence(used=np.array([0.1] * 19 + [np.nan]))
    found, why = counting_mechanism(unused)
    assert found == "mixed"
    assert "only 10% of their right answers need what they write in common" in why
    assert counting_mechanism(evidence(used=np.full(T, np.nan)))[0] == "relation-based"


def test_listening_is_not_losing() -> None:
    """Tokens that follow foreign counts and write none do not lose their own with them."""
    private = evidence(0.0, lost=0.9, listens=np.array([True] * 10 + [False] * 10))
    found, why = counting_mechanism(private)
    assert found == "inventory-based"
    assert "would follow foreign counts, but none writes any" in why
    few = replace(private, listens=np.array([True] * 9 + [False] * 11))
    assert verdict(few) == "mixed"


PAIRS = np.repeat(np.arange(10), 2)


def test_a_compressed_look_up_is_an_inventory() -> None:
    """Pairs that share neurons, in part; a few large groups are something else."""
    paired = evidence(0.6, among=np.zeros(T), counters=PAIRS)
    found, why = counting_mechanism(paired)
    assert found == "inventory-based"
    assert variant(found, paired) == "compressed"
    assert why.startswith("compressed look-up: 100% of the tokens take no part")
    assert "no more than 2 tokens at a time" in why
    assert verdict(replace(paired, lost=0.5)) == "mixed"
    assert verdict(replace(paired, counters=np.repeat(np.arange(5), 4))) == "mixed"
    assert verdict(replace(paired, counters=np.array([0, 0, *range(1, 19)]))) == "mixed"
    assert variant("inventory-based", evidence(0.0)) is None
    assert variant("relation-based", paired) is None


def earlier(kappa: float, own: float = 1.0, needed: float = 1.0) -> Earlier:
    return Earlier(0, np.full(T, own), np.full(T, kappa), needed)


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (earlier(0.0), "inventory-based"),
        (earlier(1.0), "relation-based"),
        (earlier(0.5), "mixed"),
        (earlier(0.0, own=0.24), "other"),
        (earlier(0.0, needed=0.49), "relation-based"),
    ],
)
def test_the_block_that_makes_the_count_decides(before: Earlier, kind: str) -> None:
    e = evidence(earlier=before)
    found, why = counting_mechanism(e)
    assert found == kind
    assert ("earlier blocks know" in why) == (before.needed >= 0.5)
    made_common = kind in ("inventory-based", "mixed")
    assert ("makes the counts common (100% shared)" in why) == made_common
    assert variant(found, e) == ("made common" if kind == "inventory-based" else None)
    if kind == "inventory-based":
        assert count_counters(found, e) == T


def test_other_says_what_was_ruled_out() -> None:
    silent = evidence(own=np.full(T, 0.2), accuracy=0.99)
    found, why = counting_mechanism(silent)
    assert found == "other"
    assert why.startswith("99% of the answers are right, but")
    assert "slope 0.20 only" in why
    assert why.endswith("the model knows no positions to read it from")
    knows = counting_mechanism(replace(silent, values=(0.7, 0.8)))[1]
    assert "loses 70% of its accuracy above chance (with values that tell nothing 80%)" in knows
    assert knows.endswith("rules out positional counting")


def test_positional_says_what_it_costs() -> None:
    found, why = counting_mechanism(evidence(own=np.full(T, 0.1), values=(0.02, 1.0)))
    assert found == "positional"
    assert "loses 2% of its accuracy above chance, with the mean over positions 100%" in why


def test_few_tokens_are_told_apart_by_sign() -> None:
    found, why = counting_mechanism(evidence(-0.9, separable=0.0))
    assert found == "inventory-based"
    assert "only 0% of the cells" in why
    assert "seem to go against it as they must" in why
    assert verdict(evidence(1.0, separable=0.0)) == "relation-based"
    assert verdict(evidence(0.5, separable=0.0)) == "mixed"


def test_transport_and_removal_may_contradict_each_other() -> None:
    found, why = counting_mechanism(evidence(0.1, lost=0.8))
    assert found == "mixed"
    assert "100% of the tokens take no part in other tokens' counts" in why
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


def test_counters() -> None:
    three = evidence(counters=np.array([0] * 10 + [1] * 8 + [2] * 1 + [3] * 1))
    assert count_counters("relation-based", three) == 2
    assert count_counters("inventory-based", three) == 4
    assert count_counters("mixed", three) == 4
    for kind in ("unsolved", "other", "positional"):
        assert count_counters(kind, three) is None
    apart = evidence(counters=np.arange(T))
    assert count_counters("relation-based", apart) == 1


@pytest.mark.parametrize(
    ("mechanism", "sizes", "says"),
    [
        ("other", [20], None),
        ("relation-based", [20], "all 20 tokens share one"),
        (
            "relation-based",
            [10, 8, 1, 1],
            "2 groups of tokens share one each, 2 have one of their own",
        ),
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
    assert "count component of other tokens, and are followed in turn (kappa at" in one
    _, two = counting_mechanism(evidence(1.0, counters=np.arange(T) % 2))
    assert "of their own group's other tokens, and are followed in turn (2 groups; kappa" in two


@pytest.mark.parametrize(
    ("share", "relative", "kept", "kind"),
    [
        (1.0, 5.0, 0.99, "uninformed"),  # large, yet no answer needs it
        (1.0, 0.001, 0.99 + DOWN, "semantic"),  # small, yet the answers need it
        (0.0, 0.001, 0.5, "positional"),
        (0.8, 0.5, 0.0, "semantic"),
        (0.8 + DOWN, 0.5, 0.0, "mixed"),
        (0.2 + UP, 0.5, 0.0, "mixed"),
        (0.2 + DOWN, 0.5, 0.0, "positional"),
    ],
)
def test_attention_at_its_thresholds(share: float, relative: float, kept: float, kind: str) -> None:
    assert attention_kind(share, relative, kept, constant=False)[0] == kind


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
        ("other", evidence(own=np.full(T, 0.5 + DOWN))),
        ("opposed", evidence(-1.0, lost=0.5)),
        ("opposed", evidence(shares(0, 3, -1.0), lost=1.0)),
        ("positional", evidence(values=(0.2 + DOWN, 1.0))),
        ("relation-based", evidence(values=(0.2, 1.0))),
        ("relation-based", evidence(used=np.full(T, 0.5))),
        ("inventory-based", evidence(earlier=earlier(0.0, needed=0.5))),
        ("relation-based", evidence(earlier=earlier(0.0, needed=0.5 + DOWN))),
        ("other", evidence(earlier=earlier(0.0, own=0.25 + DOWN))),
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
