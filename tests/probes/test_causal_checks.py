"""Causal checks on models whose mechanism is known, and against interventions done by hand."""

import pytest
import torch

from models import construct
from probes import Context, find_probe
from probes.causal.remove_shared import shared_component

RELATION = ("dot", "bos+sftm", "bos+sftm-relation-split", "bos+sftm-binary")
INVENTORY = ("lin", "dot+sftm", "dot-lookup", "bos+sftm-inventory", "dot-frame")


def built(name: str) -> Context:
    """A construction at T = 16, L = 10, under study."""
    model = construct(name, T=16, L=10)
    return Context(model, model.config.task(), 0)


@pytest.mark.parametrize("name", RELATION)
def test_relation_loses_its_count_with_the_shared_component(name: str) -> None:
    """Removal destroys, a foreign count is followed, one token's neurons serve all."""
    context = built(name)
    assert find_probe("remove-shared-count").on(context).value("lost") > 0.8
    patch = find_probe("patch-count").on(context)
    assert patch.value("follows_own") == 1
    assert patch.value("follows_other") == 1
    assert abs(find_probe("ablate-neurons").on(context).value("selectivity")) < 0.02


@pytest.mark.parametrize("name", INVENTORY)
def test_inventory_keeps_its_count_without_the_shared_component(name: str) -> None:
    """Removal is harmless, a foreign count is ignored, one token's neurons serve it alone."""
    context = built(name)
    assert find_probe("remove-shared-count").on(context).value("lost") < 0.2
    patch = find_probe("patch-count").on(context)
    assert patch.value("follows_own") > 0.99
    assert patch.value("follows_other") < 0.05
    assert patch.value("keeps_other") > 0.8
    assert find_probe("ablate-neurons").on(context).value("selectivity") > 0.8


def test_mean_pattern_hurts_those_who_need_the_tokens() -> None:
    """A constant matrix is its own mean; a comparison of tokens has none that works."""
    assert find_probe("mean-pattern").on(built("lin")).value("lost") == 0
    assert find_probe("mean-pattern").on(built("bos+sftm-inventory")).value("lost") == 0
    assert find_probe("mean-pattern").on(built("dot")).value("lost") > 0.8


def test_removal_equals_an_edit_by_hand() -> None:
    """The reported accuracy is that of a run whose residuals were edited position by position."""
    context = built("bos-blend")
    component = shared_component(context.reference.means_for)
    counts = context.task.targets(context.tokens)

    def edit(resid, hook):  # type: ignore[no-untyped-def]
        out = resid.clone()
        for b in range(64):
            for i in range(context.task.L):
                t, c = int(context.tokens[b, i + 1]), int(counts[b, i])
                out[b, i + 1] -= component[t, c - 1]
        return out

    hooks = [("blocks.0.hook_resid_mid", edit)]
    by_hand = context.model.run_with_hooks(context.tokens, fwd_hooks=hooks)[:64]
    from probes.causal.remove_shared import remove

    expected = context.task.correct(by_hand, context.tokens[:64])
    assert torch.equal(remove(context).after[:64], expected)


def test_mean_pattern_equals_an_edit_by_hand() -> None:
    """Mixing by hand with the mean weights gives the reported accuracy."""
    context = built("dot+sftm")
    w = context.model.weights()
    x = w["W_E"][context.tokens]
    mean = context.cache["blocks.0.attn.hook_pattern"][:, 0].mean(0)
    hidden = ((x + mean @ x) @ w["W_in"] + w["b_in"]).relu()
    logits = hidden @ w["W_out"] + w["b_out"]
    found = find_probe("mean-pattern").on(context).value("accuracy_after")
    assert abs(found - context.task.accuracy(logits, context.tokens)) < 1e-3


def test_ablated_neurons_say_nothing_of_the_count() -> None:
    """With one neuron, ablation leaves one answer a token: the share of its commonest count."""
    result = find_probe("ablate-neurons").on(built("dot"))
    assert result.value("neurons") == 1
    assert result.value("own_after") < 0.35
    assert result.value("accuracy_before") == 1


def test_reading_out_a_patched_residual_equals_a_full_run() -> None:
    """Transport patches after hook_resid_mid; a hooked run with the same edit agrees."""
    context = built("bos+sftm")
    tokens = context.tokens[:32]
    _, cache = context.model.run_with_cache(tokens)
    delta = torch.randn(context.model.config.d, generator=torch.Generator().manual_seed(0))
    name = "blocks.0.hook_resid_mid"
    run = context.model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, hook: x + delta)])
    assert torch.equal(run, context.model.read_out(cache[name] + delta))
