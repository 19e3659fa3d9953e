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


def test_one_loud_token_makes_no_counter() -> None:
    found = label(listening(T, L, [0], loudness=20.0))
    assert (found.mechanism, found.counters) == ("inventory-based", T)
    assert found.tokens == ["private"] * T


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


def reads_positions() -> HookedTransformer:
    """Position 0 is seen in proportion to how often the query's token occurs: its value says so
    whatever token stands there. Equal tokens attract; every position's value is its own."""
    shape = TransformerConfig.checked(
        {"T": T, "L": L, "d": T + 2, "p": 4, "positions": True, "residual": False,
         "values": "value", "softmax": False}
    )  # fmt: skip
    weights = {n: 0 * w for n, w in initial(shape, torch.Generator().manual_seed(0)).items()}
    weights["W_E"][:, :T] = torch.eye(T)
    weights["W_pos"][:, T] = 1 + torch.arange(L) % 2 * 0.0
    weights["W_pos"][:, T + 1] = torch.arange(L) - (L - 1) / 2
    weights["blocks.0.W_Q"][0, :T, :T] = torch.eye(T) * (T + 2) ** 0.5
    weights["blocks.0.W_K"][0, :T, :T] = torch.eye(T)
    weights["blocks.0.W_V"][0, T:, T:] = torch.eye(2)
    return HookedTransformer(shape, weights)


def test_positions_that_attention_comes_from_are_told_from_how_much_there_is() -> None:
    """Where the count is the sum of the weights, means over positions leave it as it is."""
    model = reads_positions()
    k = torch.arange(L + 1.0)
    with torch.no_grad():
        model.blocks[0].mlp.W_in[T, 0] = 1.0
        model.blocks[0].mlp.W_out[0] = k
        model.blocks[0].mlp.b_out[:] = -(k**2) / 2
    here = CountContext(model, model.config.task())
    assert here.accuracy == 1
    assert by_position(here).costs() == pytest.approx((0, 0))
    assert label(model).mechanism != "positional"


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
