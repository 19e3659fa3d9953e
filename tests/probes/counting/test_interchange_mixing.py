"""Interchanges of mixing weights: models whose attention is known by construction."""

from functools import cache

import pytest
import torch

from mechprobe import construct, find_probe, label
from mechprobe.models import HookedTransformer, TransformerConfig
from mechprobe.models.families.counting import CountingConfig, initial
from mechprobe.models.families.transformer import initial as start
from mechprobe.probes import CountContext, ProbeResult
from mechprobe.probes.controls import CONTROLS
from mechprobe.probes.counting import interchanged_weights as weights
from mechprobe.probes.counting.mixing_variables import Scale, of_positions
from mechprobe.probes.mixing_accuracy import NAMES, better, nothing, rivals, sentence

T, L = 6, 5
interchange_mixing = find_probe("interchange-mixing")
POSITIONED = {"positions": True, "T": T, "L": L, "d": 8, "p": 12}


def random_lin(mixing: str) -> HookedTransformer:
    """A constant matrix that is far from level, with a read-out at random."""
    config = CountingConfig.of(mixing, T=T, L=L, d=8, p=16)
    g = torch.Generator().manual_seed(3)
    made = initial(config, g)
    made["W_mix"] = 2 * torch.randn(made["W_mix"].shape, generator=g)
    return HookedTransformer(config, made)


def with_positions(score: str) -> HookedTransformer:
    """A random read-out behind attention by tokens, by positions, or by both."""
    config = TransformerConfig.positional_semantic("both", T=T, L=L, d=16, p=24)
    g = torch.Generator().manual_seed(5)
    made = start(config, g)
    tokens, places = torch.zeros(2, 16, 16)
    tokens[:8, :8], places[8:, 8:] = 3 * torch.eye(8), 3 * torch.eye(8)
    made["W_E"][:, 8:], made["W_pos"][:, :8] = 0.0, 0.0
    scores = {"semantic": tokens, "positional": places, "mixed": 2 * tokens + places / 2}
    made["blocks.0.W_Q"][:] = scores[score]
    made["blocks.0.W_K"][:] = torch.eye(16)
    return HookedTransformer(config, made)


@cache
def found(name: str) -> ProbeResult:
    model = random_lin(name) if name.startswith("lin") else None
    return interchange_mixing(model or construct(name, T=T, L=L))


@pytest.mark.parametrize("name", ["dot", "bos", "bos+sftm", "dot+sftm", "dot-lookup"])
def test_attention_that_compares_tokens_is_semantic(name):
    result = found(name)
    assert result.value("semantic") == 1.0
    assert result.value("positional") < 0.2
    assert result.value("uninformed") < 0.6
    # Its architecture leaves it no choice; a network with one answer for all tells nothing.
    assert result.metrics["semantic_untrained"].value in (1.0, None)
    assert max(result.value(f"semantic_{c}") for c in ("shuffled", "random")) < 0.7


@pytest.mark.parametrize("name", ["lin", "lin+sftm"])
def test_attention_by_a_constant_matrix_is_positional(name):
    result = found(name)
    assert result.value("positional") == 1.0
    assert result.value("semantic") < 0.2
    assert result.value("mixed") > 0.95
    assert max(result.value(f"positional_{c}") for c in ("shuffled", "random")) < 0.8


@pytest.mark.parametrize("score", ["semantic", "positional", "mixed"])
def test_what_a_model_with_positions_is_made_of_is_found(score):
    context = CountContext(with_positions(score), with_positions(score).task())
    said = weights.interchange(context).accuracies()
    assert said[score] > 0.97
    for rival in rivals(score):
        assert said[rival] < said[score] - 0.2, said


def test_attention_of_two_blocks_is_told_as_a_whole():
    both = interchange_mixing(construct("cascade", T=T, L=6))
    assert both.value("mixed") > 0.95 > both.value("semantic") + 0.2
    assert label(construct("cascade", T=T, L=6)).number("mixing_mixed") == both.value("mixed")


def test_level_weights_tell_nothing_apart():
    result = found("dot-inventory")
    assert result.value("telling") == 0
    assert all(result.metrics[name].value is None for name in weights.told())
    assert "do not tell" in result.words
    told = label(construct("dot-inventory", T=T, L=L))
    assert any("as where attention is uninformed" in reason for reason in told.reasons)


def test_every_number_has_its_controls():
    assert set(weights.told()) == {n + s for n in NAMES for s in ("", *(f"_{c}" for c in CONTROLS))}
    assert nothing().keys() == weights.told().keys()
    told = label(construct("dot", T=T, L=L))
    for name in weights.told():
        assert told.number(f"mixing_{name}") == found("dot").value(name)
    said = next(reason for reason in told.reasons if reason.startswith("mixing: "))
    assert "semantic attention 100%" in said
    assert said.count("controls") == 3


def test_where_positions_are_hidden_the_last_one_answers():
    """A causal mask: the source holds the same at the last position."""
    model = with_positions("semantic")

    def mask(scores: torch.Tensor, hook: object) -> torch.Tensor:
        return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), float("-inf"))

    context = CountContext(model, model.task())
    _ = context.answers
    name = model.mixers[0].hooks["attn_scores"]
    with model.hooks(fwd_hooks=[(name, mask)]):
        said = weights.interchange(context, ("shuffled", "random"))
    assert said.actual.shape == (2, weights.SEQUENCES, 1)
    assert said.accuracies()["semantic"] == 1.0 > said.accuracies()["positional"] + 0.5
    assert said.accuracies("random")["semantic"] < 0.9


def test_what_positions_give_is_zero_where_tokens_alone_decide():
    for name in ("dot", "dot+sftm", "bos+sftm"):
        model = construct(name, T=T, L=L)
        context = CountContext(model, model.task())
        pattern, first = context.patterns[0], int(model.task().bos)
        F = of_positions(context.tokens, pattern, Scale.of(pattern), model.task())
        body = F[..., first:, first:]
        assert float(body.abs().max()) < 1e-4 * float(Scale.of(pattern).to(pattern).abs().max())


def test_an_interchange_of_a_pattern_is_one_of_transformer_lens():
    """Own weights written back change no answer; the source's are those of its own run."""
    model = construct("dot+sftm", T=T, L=L)
    context = CountContext(model, model.task())
    said = weights.interchange(context)
    answers = context.logits[: weights.SEQUENCES].argmax(-1)
    assert torch.equal(said.predicted[""]["semantic"][0], answers)  # F moved, and it has none
    assert torch.equal(said.actual[0], answers)


def test_a_label_that_its_causal_model_contradicts_is_less_sure():
    numbers = dict.fromkeys(nothing(), 0.2) | {"semantic": 1.0, "positional": 0.5}
    assert better(numbers, "positional") == "semantic"
    assert better(numbers, "semantic") is None
    assert "semantic attention describes the network better" in sentence(numbers, "positional", "")
    assert better(nothing(), "semantic") is None
    assert sentence(nothing(), "semantic", "") == ""
    redundant = label(construct("redundant", T=T, L=L))
    assert redundant.attention == "uninformed"
    assert redundant.attention_confidence <= 0.75
