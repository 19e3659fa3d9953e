"""Causal checks on models with known mechanism, and their accuracies computed by hand."""

from collections.abc import Callable

import pytest
import torch

from mechprobe.models import HookedTransformer, construct
from mechprobe.probes import CountContext, find_probe
from mechprobe.probes.counting.causal.ablate_neurons import serving
from mechprobe.probes.counting.causal.remove_shared import lost, shared_component

RESID_MID = "blocks.0.hook_resid_mid"
PATTERN = "blocks.0.attn.hook_pattern"
POST = "blocks.0.mlp.hook_post"
SIZES = {"T": 8, "L": 6}
RELATION = ["dot", "bos", "bos+sftm", "bos+sftm-binary"]
INVENTORY = ["lin", "lin+sftm", "dot+sftm", "dot-lookup", "bos-inventory"]


def values(name: str, model: HookedTransformer, seed: int = 0) -> dict[str, float]:
    result = find_probe(name)(model, seed=seed)
    return {metric: result.value(metric) for metric in result.metrics}


def context(model: HookedTransformer) -> CountContext:
    return CountContext(model, model.config.task(), 0)


@pytest.mark.parametrize("name", RELATION)
def test_relations_need_the_shared_component(name: str) -> None:
    found = values("remove-shared-count", construct(name, **SIZES))
    assert found["accuracy_before"] == 1.0
    assert found["accuracy_after"] <= found["chance"] + 0.05
    assert found["lost"] > 0.9


@pytest.mark.parametrize("name", INVENTORY)
def test_inventories_do_not(name: str) -> None:
    found = values("remove-shared-count", construct(name, T=16, L=10))
    assert found["accuracy_after"] > 0.9
    assert abs(found["lost"]) < 0.15


@pytest.mark.parametrize("name", ["lin", "lin+sftm", "dot-inventory", "bos+sftm-inventory"])
def test_a_mean_pattern_does_not_harm_mixing_that_only_adds_up(name: str) -> None:
    found = values("mean-pattern", construct(name, **SIZES))
    assert found["accuracy_after"] == 1.0
    assert found["lost"] == 0.0


@pytest.mark.parametrize("name", ["dot", "bos", "bos+sftm", "dot-lookup", "dot+sftm"])
def test_a_mean_pattern_ruins_mixing_that_compares(name: str) -> None:
    found = values("mean-pattern", construct(name, **SIZES))
    assert found["accuracy_before"] == 1.0
    assert found["accuracy_after"] < 0.7
    assert found["lost"] > 0.4


@pytest.mark.parametrize("name", RELATION)
def test_a_relation_follows_any_tokens_count(name: str) -> None:
    found = values("patch-count", construct(name, **SIZES))
    assert found["follows_own"] == pytest.approx(1.0)
    assert found["follows_other"] == pytest.approx(1.0)
    assert found["keeps_other"] == 0.0
    assert found["chance"] == pytest.approx(1 / 5)


@pytest.mark.parametrize("name", INVENTORY)
def test_an_inventory_follows_its_own_only(name: str) -> None:
    found = values("patch-count", construct(name, T=16, L=10))
    assert found["follows_own"] > 0.97
    assert found["follows_other"] < 0.05
    assert found["keeps_other"] > 0.95


@pytest.mark.parametrize("name", ["dot-lookup", "lin", "dot+sftm", "bos-inventory"])
def test_neurons_of_an_inventory_serve_one_token(name: str) -> None:
    found = values("ablate-neurons", construct(name, T=8, L=10))
    assert found["neurons"] == 1.0
    assert found["others_after"] == 1.0
    # Left at its mean, the neuron says 5 at any count: that is right as often as 5 occurs.
    assert found["own_after"] < found["chance"]
    assert found["selectivity"] == pytest.approx(1 - found["own_after"])


@pytest.mark.parametrize("name", ["dot", "bos", "bos-relation-split"])
def test_neurons_of_a_relation_serve_all(name: str) -> None:
    found = values("ablate-neurons", construct(name, T=8, L=10))
    assert found["own_after"] < 0.4
    assert found["others_after"] == pytest.approx(found["own_after"], abs=0.02)
    assert found["selectivity"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", ["untrained", "bos-blend"])
def test_removal_by_hand(kind: str, untrained: Callable[..., HookedTransformer]) -> None:
    model = (
        construct(kind, **SIZES) if kind != "untrained" else untrained("bos", 8, 6, 12, 16, seed=2)
    )
    here = context(model)
    task, tokens = here.task, here.tokens
    component = shared_component(here.reference.means_for)
    targets = task.targets(tokens)

    def subtract(resid: torch.Tensor, hook: object) -> torch.Tensor:
        out = resid.clone()
        for b in range(len(tokens)):
            for i in range(6):
                count = min(int(targets[b, i]), 5)  # count 6 is never measured
                out[b, i + 1] -= component[int(tokens[b, i + 1]), count - 1]
        return out

    with torch.no_grad():
        logits = model.run_with_hooks(tokens, fwd_hooks=[(RESID_MID, subtract)])
        before = task.accuracy(model(tokens), tokens)
    found = values("remove-shared-count", model)
    after, chance = found["accuracy_after"], found["chance"]
    assert after == pytest.approx(task.accuracy(logits, tokens))
    assert found["accuracy_before"] == pytest.approx(before)
    assert found["lost"] == pytest.approx(lost(before, after, chance))


def test_the_shared_component_is_centred_and_leaves_the_token_out() -> None:
    means = torch.arange(2 * 3 * 4 * 2).view(2, 3, 4, 2).double()
    means = torch.cat([means, means[:1] + 1])  # three targets, three tokens
    found = shared_component(means)
    others = (means[1, 0] + means[1, 2]) / 2
    torch.testing.assert_close(found[1], others - others.mean(0))
    torch.testing.assert_close(found.mean(1), torch.zeros(3, 2).double())


def test_mean_pattern_by_hand(untrained: Callable[..., HookedTransformer]) -> None:
    for model in (untrained("bos", 8, 6, 12, 16, 1), construct("dot", **SIZES)):
        here = context(model)
        mean = torch.stack([here.cache[PATTERN][b] for b in range(len(here.tokens))]).mean(0)
        x = model.W_E[here.tokens]
        mixed = x + torch.einsum("qk,bkd->bqd", mean[0], x)
        with torch.no_grad():
            logits = model.read_out(mixed)
        found = values("mean-pattern", model)["accuracy_after"]
        assert found == pytest.approx(here.task.accuracy(logits, here.tokens), abs=1e-3)


def test_patched_counts_by_hand() -> None:
    """Every admissible dose and every source, averaged: the probe draws one of each."""
    model = construct("dot-relation-groups", T=9, L=6, groups=3)
    here = context(model)
    means, held = here.reference.means_for, here.held_out
    follows = []
    for t in range(9):
        for s in (u for u in range(9) if u != t):
            for c in range(5):
                for goal in (g for g in range(5) if 0 < abs(g - c) <= 2):
                    moved = held.resid[t, c] + means[t, s, goal] - means[t, s, c]
                    answer = model.read_out(moved).argmax(-1)
                    follows.append((answer == goal + 1).double().mean().item())
    found = values("patch-count", model)
    assert found["follows_other"] == pytest.approx(sum(follows) / len(follows), abs=0.08)
    assert found["follows_other"] == pytest.approx(2 / 8, abs=0.08)  # two others share its counter
    assert found["follows_own"] == 1.0


def test_ablation_by_hand() -> None:
    model = construct("dot-relation-groups", T=8, L=6, groups=4, seed=1)
    here = context(model)
    tokens, task = here.tokens, here.task
    neuron_of = (model.W_E @ model.W_in[0]).argmax(1)
    cells = here.reference.data
    flat, at = cells.tokens.flatten(0, 2), cells.position.flatten()
    _, cache = model.run_with_cache(flat)
    post = cache[POST][torch.arange(len(at)), at].view(*cells.tokens.shape[:3], -1)
    level = post.mean((1, 2))
    own, other = [], []
    for t in range(8):

        def ablate(activation: torch.Tensor, hook: object) -> torch.Tensor:
            out = activation.clone()
            n = neuron_of[t]  # noqa: B023 (used at once)
            out[..., n] = level[tokens, n]
            return out

        with torch.no_grad():
            logits = model.run_with_hooks(tokens, fwd_hooks=[(POST, ablate)])
        right = task.correct(logits, tokens)
        own.append(right[tokens == t].double().mean())
        other += [right[tokens == u].double().mean() for u in range(8) if u != t]
    found = values("ablate-neurons", model)
    assert found["neurons"] == 1.0
    assert found["own_after"] == pytest.approx(torch.stack(own).mean().item())
    assert found["others_after"] == pytest.approx(torch.stack(other).mean().item())


def test_serving_takes_the_fewest_neurons() -> None:
    a = torch.tensor([[6.0, 0.0, 1.0], [3.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    wanted = [[True, False, True], [True, False, True], [False] * 2 + [True], [False] * 3]
    assert serving(a, 0.9).tolist() == wanted
    assert serving(a, 0.5)[:, 0].tolist() == [True, False, False, False]
