"""Models that labels once got wrong, each by a cause of its own."""

import pytest
import torch

from mechprobe.models import HookedTransformer, TransformerConfig, construct
from mechprobe.models.families.transformer import initial
from mechprobe.models.hooked import copy_with
from mechprobe.probes import CountContext, label
from mechprobe.probes.counting.cells import moved
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.counting.label.positional import by_position
from mechprobe.probes.counting.label.range import CAUTIOUS, capped
from tests.probes.counting.listeners import listening

T, L = 8, 6


def test_half_of_the_tokens_only_listen() -> None:
    found = label(listening(T, L, range(T // 2)))
    assert found.accuracy == 1
    assert found.mechanism == "mixed"
    assert found.tokens == ["shared"] * 4 + ["private"] * 4


@pytest.mark.parametrize(("T", "writers"), [(8, 4), (6, 3)])
def test_half_a_count_that_is_written_in_common_is_seen(T: int, writers: int) -> None:
    """The writers look the other half up; slopes of half a count are nobody's to share."""
    found = label(listening(T, 8 if T == 6 else L, range(writers), loudness=0.5))
    assert found.accuracy == 1
    assert found.mechanism == "mixed"
    assert "owe more than" in found.reasons[0]


def test_one_loud_token_makes_no_counter() -> None:
    found = label(listening(T, L, [0], loudness=20.0))
    assert (found.mechanism, found.counters) == ("inventory-based", T)
    assert found.tokens == ["private"] * T


@pytest.mark.parametrize(("T", "L"), [(6, 10), (8, 6)])
def test_a_foreign_count_that_moves_the_answer_and_is_not_hit(T: int, L: int) -> None:
    """c = 2 q + r: q is shared, r is each token's own. Slopes tell no difference."""
    found = label(construct("bos+sftm-parity", T=T, L=L))
    assert found.mechanism == "other"
    assert found.number("kappa") > 0.97
    assert found.number("exact_own") == 1.0
    assert found.number("exact_foreign") < 0.5
    assert found.number("exact_beyond") > 0.25
    assert "hit a foreign one" in found.reasons[0]


@pytest.mark.parametrize(("name", "alpha"), [("bos-blend", 0.83), ("dot-blend", 0.82)])
def test_a_blend_that_mostly_misses_falls_short(name: str, alpha: float) -> None:
    """A small look-up holds answers back; what is read in common is the count all the same."""
    found = label(construct(name, T=T, L=10, alpha=alpha))
    assert found.mechanism == "relation-based"
    assert found.number("exact_foreign") < 0.5
    assert found.number("exact_beyond") == 0


@pytest.mark.parametrize(("T", "L"), [(3, 4), (4, 4)])
def test_sequences_known_by_heart_hold_no_count(T: int, L: int) -> None:
    """Answers move with what is taken for a count, and are not it."""
    found = label(construct("memorised", T=T, L=L))
    assert (found.mechanism, found.accuracy) == ("other", 1.0)
    assert found.number("exact_own") < 0.5


@pytest.mark.parametrize(
    ("name", "best", "drop"),
    [("dot", "relation", 0.4), ("lin", "inventory", 0.4), ("dot-relation-groups", "grouped", 0.2)],
)
def test_the_label_tells_the_accuracy_of_its_causal_model(
    name: str, best: str, drop: float
) -> None:
    """And the drop to the rivals, with three controls beside each number."""
    found = label(construct(name, T=T, L=L))
    assert found.number(f"interchange_{best}") > 0.99
    assert found.number("interchange_lead") > drop
    for control in ("untrained", "shuffled", "random"):
        assert found.number(f"interchange_{best}_{control}") < 0.6
        assert 0 <= found.number(f"interchange_lead_{control}") <= 1
    assert (
        sum(reason.startswith("interchange: after interchanges") for reason in found.reasons) == 1
    )


@pytest.mark.parametrize("name", ["dot", "dot-inventory", "bos+sftm", "lin"])
def test_a_place_for_positions_changes_no_attention(name: str) -> None:
    """The same weights in a model that could know positions, and knows none."""
    plain = construct(name, T=T, L=L)
    c = plain.config
    kind = {"mixing": c.mixing, "softmax": c.softmax, "bos": c.bos}
    config = TransformerConfig.checked({**c.sizes, **kind, "positions": True})
    weights = initial(config, torch.Generator().manual_seed(0))
    own = plain.weights()
    for whole in weights:
        short = whole.removeprefix("blocks.0.")
        weights[whole] = own[short].view_as(weights[whole]) if short in own else 0 * weights[whole]
    known = HookedTransformer(config, weights)
    first, second = label(plain), label(known)
    assert first.attention == second.attention
    assert first.mechanism == second.mechanism
    assert first.number("semantic_share") == second.number("semantic_share")


@pytest.mark.parametrize("scale", [0.25, 4.0])
def test_the_logits_scale_moves_no_share(scale: float) -> None:
    shape = TransformerConfig.positional_semantic(T=T, L=L, d=8, p=12)
    weights = initial(shape, torch.Generator().manual_seed(1))
    model = HookedTransformer(shape, weights)
    out = {n: w * scale for n, w in weights.items() if n.endswith(("W_out", "b_out"))}
    scaled = HookedTransformer(shape, weights | out)
    assert label(model).number("semantic_share") == label(scaled).number("semantic_share")


def from_positions(everywhere: bool) -> HookedTransformer:
    """Equal tokens attract, with a softmax, so that each of c positions has a weight of 1/c. Values
    hold the position alone, and a neuron for each reads max(0, weight - 1/(L+1)): their sum falls
    by as much with every count. With `everywhere` values are alike, and the weights are sums: the
    count is how much attention there is."""
    shape = TransformerConfig.checked(
        {"T": T, "L": L, "d": T + L, "p": L, "positions": True, "residual": False,
         "values": "value", "softmax": not everywhere}
    )  # fmt: skip
    w = {n: 0 * value for n, value in initial(shape, torch.Generator().manual_seed(0)).items()}
    k, tokens, places = torch.arange(L + 1.0), torch.eye(T + L)[:T], torch.eye(T + L)[T:]
    w["W_E"], w["W_pos"] = tokens, places
    score = 1.0 if everywhere else 30.0
    w["blocks.0.W_Q"][0] = score * (T + L) ** 0.5 * tokens.T @ tokens
    w["blocks.0.W_K"][0] = tokens.T @ tokens
    seen = places.mean(0, keepdim=True).expand(L, -1) if everywhere else places
    w["blocks.0.W_V"][0] = places.T @ seen
    w["blocks.0.W_in"] = places.T
    w["blocks.0.b_in"] -= 0 if everywhere else 1 / (L + 1)
    w["blocks.0.W_out"] += k if everywhere else -(L + 1) * k
    w["blocks.0.b_out"] = (0 if everywhere else (L + 1) * k) - k**2 / 2
    return HookedTransformer(shape, w)


def test_a_count_read_from_positions_is_positional() -> None:
    found = label(from_positions(everywhere=False))
    assert found.accuracy == 1
    assert (found.mechanism, found.counters) == ("positional", None)
    assert found.number("values_by_position") == pytest.approx(0)
    assert found.number("values_level") > 0.5
    assert "kind" in found.axis("counting").details["beyond"]


def test_how_much_attention_there_is_is_not_where_it_comes_from() -> None:
    """Where the count is the sum of the weights, means over positions leave it as it is."""
    model = from_positions(everywhere=True)
    here = CountContext(model, model.config.task())
    assert here.accuracy == 1
    assert by_position(here).costs() == pytest.approx((0, 0))
    assert label(model).mechanism == "relation-based"


def test_models_without_positions_have_none_to_read() -> None:
    model = construct("dot", T=T, L=L)
    assert by_position(CountContext(model, model.config.task())) is None


def test_marks_are_moved_and_sequences_stay_balanced() -> None:
    model = construct("bos", T=T, L=L)
    data = CountContext(model, model.config.task()).balanced("a test", 3)
    found = moved(data, 2)
    assert (found.position == 2).all()
    assert torch.equal(found.tokens.sort(-1)[0], data.tokens.sort(-1)[0])
    assert (found.tokens[..., 2] == torch.arange(T).view(T, 1, 1)).all()
    assert (found.tokens[..., 0] == T).all()


def test_every_kind_is_said_and_seen_apart() -> None:
    kinds = COUNTING.kinds
    assert set(kinds) == {
        "relation-based", "inventory-based", "mixed", "opposed", "positional", "other", "unsolved",
    }  # fmt: skip
    assert len({kind.colour for kind in kinds.values()}) == len(kinds)
    assert len({kind.words for kind in kinds.values()}) == len(kinds)


def test_confidence_beyond_the_calibration() -> None:
    assert capped(0.99, outside=True) == CAUTIOUS
    assert capped(0.99, outside=False) == 0.99
    assert capped(0.4, outside=True) == 0.4


def test_how_many_counters_there_are_has_an_error() -> None:
    sharp, blurred = (
        label(construct(name, T=T, L=L, **more))
        for name, more in (("dot-relation-groups", {"groups": 4}), ("dot-blend", {"alpha": 0.5}))
    )
    assert sharp.axis("counting").details["clusters"] == [4, 4]
    assert sharp.number("clusters_error") == 0
    assert blurred.number("clusters_error") > 0


def test_a_copy_of_weights_is_labelled_alike() -> None:
    model = construct("dot", T=T, L=L)
    assert label(copy_with(model, **model.weights())).mechanism == "relation-based"
