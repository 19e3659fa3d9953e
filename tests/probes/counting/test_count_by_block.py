"""Whose the count is, block by block, in models built by hand where both answers are known."""

import pytest
import torch

from mechprobe.models import HookedTransformer, TransformerConfig, construct
from mechprobe.models.families.transformer import initial
from mechprobe.probes import find_probe, label
from mechprobe.probes.counting.label.range import CAUTIOUS

T, L = 6, 6
BY_BLOCK = find_probe("count-by-block")


def deep(name: str) -> HookedTransformer:
    """A construction as the first of two blocks: its feed-forward layer writes the answer into the
    stream, the second block does nothing, and the unembedding reads the answer off."""
    w = construct(name, T=T, L=L).weights()
    d, p = w["W_in"].shape
    config = TransformerConfig.checked(
        {
            "T": T, "L": L, "d": d + L + 1, "d_head": w["W_Q"].shape[1], "p": p, "n_layers": 2,
            "softmax": False, "readout": "unembed",
        }
    )  # fmt: skip
    drawn = initial(config, torch.Generator())
    made = {n: torch.zeros_like(v, dtype=w["W_E"].dtype) for n, v in drawn.items()}
    made["W_E"][:, :d] = w["W_E"]
    made["blocks.0.W_Q"][0, :d] = w["W_Q"] * (config.d_head / d) ** 0.5
    made["blocks.0.W_K"][0, :d] = w["W_K"]
    made["blocks.0.W_in"][:d] = w["W_in"]
    made["blocks.0.b_in"][:] = w["b_in"]
    made["blocks.0.W_out"][:, d:] = w["W_out"]
    made["blocks.0.b_out"][d:] = w["b_out"]
    made["W_U"][d:] = torch.eye(L + 1)
    return HookedTransformer(config, made)


def test_a_look_up_in_the_first_block_is_seen_there_alone() -> None:
    """Behind the last attention the answer is common; the label is of the block that counts."""
    model = deep("dot-lookup")
    task = model.task()
    tokens = task.sample(300, torch.Generator().manual_seed(0))
    assert task.accuracy(model(tokens), tokens) == 1
    found = BY_BLOCK(model)
    assert found.value("first_own") == pytest.approx(1, abs=0.02)
    assert found.value("first_kappa") == pytest.approx(0, abs=0.05)
    assert found.value("last_kappa") > 0.7
    assert "looked up and made common" in found.words
    labelled = label(model)
    assert (labelled.mechanism, labelled.counters) == ("inventory-based", T)
    assert labelled.axis("counting").details["variant"] == "made common"
    assert labelled.axis("counting").details["beyond"] == ["depth", "family"]
    assert labelled.confidence <= CAUTIOUS
    assert "after block 0's attention 0% of the tokens share a counter" in labelled.reasons[0]
    assert labelled.axis("counting").details["tokens"] == ["private"] * T
    assert not label(construct("dot", T=T, L=L)).axis("counting").details["beyond"]


def test_a_shared_counter_is_seen_in_both_blocks() -> None:
    found = BY_BLOCK(deep("dot"))
    assert found.value("first_own") == pytest.approx(1, abs=0.02)
    assert found.value("first_kappa") > 0.9
    assert found.value("last_kappa") > 0.7
    assert "looked up" not in found.words


def test_the_basis_of_the_stream_does_not_matter() -> None:
    model = deep("dot-lookup")
    w = {name: weight.double() for name, weight in model.weights().items()}
    generator = torch.Generator().manual_seed(1)
    d = model.config.d
    G = torch.eye(d, dtype=torch.float64) + 0.1 * torch.randn(
        d, d, generator=generator, dtype=torch.float64
    )
    inward = ("W_Q", "W_K", "W_in", "W_U")
    outward = ("W_E", "W_out", "b_out")
    moved = {}
    for name, weight in w.items():
        kind = name.split(".")[-1]
        moved[name] = G.inverse() @ weight if kind in inward else weight
        moved[name] = weight @ G if kind in outward else moved[name]
    one = BY_BLOCK(HookedTransformer(model.config, w))
    other = BY_BLOCK(HookedTransformer(model.config, moved))
    for name in one.metrics:
        assert other.value(name) == pytest.approx(one.value(name), abs=1e-9)


def test_what_is_not_followed_has_no_kappa() -> None:
    """A second block's attention without effect and an answer that is always the same."""
    model = deep("dot")
    weights = {**model.weights(), "W_U": torch.zeros_like(model.weights()["W_U"])}
    found = BY_BLOCK(HookedTransformer(model.config, weights))
    assert found.metrics["first_kappa"].value is None
    assert found.metrics["last_kappa"].value is None
    assert "does not follow" in found.words


def test_a_single_block_is_left_to_count_transport() -> None:
    model = construct("dot", T=T, L=L)
    assert "use count-transport" in (BY_BLOCK.why_not(model, model.task()) or "")
