"""Attention sources against brute force over all pairs, and on models whose sources are known."""

from dataclasses import replace
from itertools import combinations, permutations, product

import numpy as np
import pytest
import torch
from torch import Tensor

from mechprobe.models import HookedTransformer, construct
from mechprobe.models.families.transformer import TransformerConfig, initial
from mechprobe.models.hooked import copy_with
from mechprobe.probes import CountContext, MechanismLabel, find_probe, label
from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.counting import keeping
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.counting.label.attention import Answers
from mechprobe.probes.counting.score_terms import POSITIONAL, SEMANTIC, TERMS
from mechprobe.probes.counting.source_runs import first_block, why_not_split
from mechprobe.probes.counting.sources import Sources, sources
from mechprobe.probes.effects import Effects

T, L, D = 5, 4, 6


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(seed: int = 0, **changes: object) -> HookedTransformer:
    """A random model with positions, in double precision."""
    given = {"T": T, "L": L, "d": D, "p": 7, "positions": True} | changes
    config = TransformerConfig.checked(given)
    weights = {name: w.double() for name, w in initial(config, seeded(seed)).items()}
    return HookedTransformer(config, weights)


def split(model: HookedTransformer, seed: int = 0) -> Sources:
    return sources(CountContext(model, model.task(), seed))


def by_brute_force(scores: Tensor, softmax: bool) -> dict[str, float]:
    """Functional analysis of variance of scores [query token, its position, key token, its]."""

    def effect(*axes: int) -> Tensor:
        """Mean over all other axes, less every effect of fewer of these axes."""
        others = tuple(axis for axis in range(4) if axis not in axes)
        found = scores.mean(others, keepdim=True) if others else scores
        for size in range(len(axes)):
            for fewer in combinations(axes, size):
                found = found - effect(*fewer)
        return found

    def variance(*effects: tuple[int, ...]) -> float:
        return sum(effect(*axes).square().mean().item() for axes in effects)

    found = {
        "position_position": variance((1, 3)),
        "token_token": variance((0, 2)),
        "cross": variance((1, 2), (0, 3)),
        "key_position": variance((3,)),
        "key_token": variance((2,)),
        "query_position": 0.0 if softmax else variance((1,)),
        "query_token": 0.0 if softmax else variance((0,)),
    }
    rows = scores.mean((2, 3), keepdim=True) if softmax else scores.mean()
    total = (scores - rows).square().mean().item()
    return found | {"residual": total - sum(found.values())}


def pairs(model: HookedTransformer, norm: bool = False) -> Tensor:
    """Scores of every token and position with every other, from the weights."""
    w = model.weights()
    x = w["W_E"][:T].unsqueeze(1) + w["W_pos"][-L:]
    if norm:
        x = torch.nn.functional.layer_norm(x, (D,), eps=1e-5)
    q, k = x @ w["blocks.0.W_Q"][0], x @ w["blocks.0.W_K"][0]
    return torch.einsum("tie,sje->tisj", q, k) / D**0.5


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("norm", ["none", "pre"])
@pytest.mark.parametrize("bos", [False, True])
def test_the_first_block_is_exact(softmax: bool, norm: str, bos: bool) -> None:
    model = built(3, softmax=softmax, norm=norm, bos=bos)
    found = split(model)
    wanted = by_brute_force(pairs(model, norm == "pre"), softmax)
    for name, value in zip(TERMS, found.terms[0, 0].tolist(), strict=True):
        assert value == pytest.approx(wanted[name], abs=1e-12), name
    residual = found.share("residual")
    assert residual is not None
    assert (residual < 1e-20) == (norm == "none")
    assert sum(found.share(name) or 0 for name in TERMS) == pytest.approx(1)
    assert found.error(*POSITIONAL) == 0


def test_what_is_added_to_tokens_and_taken_from_positions_changes_nothing() -> None:
    model = built(1)
    v = torch.randn(D, generator=seeded(2), dtype=torch.float64)
    w = model.weights()
    moved = copy_with(model, W_E=w["W_E"] + v, W_pos=w["W_pos"] - v)
    torch.testing.assert_close(split(moved).terms, split(model).terms, rtol=0, atol=1e-12)
    # Another token direction alone is no gauge: the row constant changes with it, and keys.
    assert not torch.allclose(split(copy_with(model, W_E=w["W_E"] + v)).terms, split(model).terms)


@pytest.mark.parametrize(("attends", "share"), [("only_sem", 0.0), ("only_pos", 1.0)])
def test_halves_that_are_not_seen_have_no_share(attends: str, share: float) -> None:
    config = TransformerConfig.positional_semantic(attends, T=6, L=5, d=8, p=8)
    found = split(HookedTransformer(config, initial(config, seeded(0))))
    assert found.share(*POSITIONAL) == pytest.approx(share, abs=1e-12)
    assert found.share(*SEMANTIC) == pytest.approx(1 - share, abs=1e-12)
    assert (found.m_like > 0, found.theta_like > 0) == (share == 1, share == 0)


def test_heads_count_by_their_own_variance() -> None:
    model = built(4, n_heads=2)
    whole, first = split(model), model.weights()["blocks.0.W_Q"].clone()
    first[1] = 0
    alone = split(copy_with(model, **{"blocks.0.W_Q": first}))
    torch.testing.assert_close(alone.terms[0, 0], whole.terms[0, 0])
    assert alone.terms[0, 1].sum() == 0
    each = whole.terms[0].sum(-1)
    parts = whole.terms[0, :, TERMS.index("cross")]
    assert whole.share("cross") == pytest.approx((parts.sum() / each.sum()).item())
    found = find_probe("attention-sources")(model)
    assert found.value("score_size") == pytest.approx(each.mean().sqrt().item())


def test_deeper_blocks_are_measured_without_bias() -> None:
    """All contents in all orders against a sample of them."""
    tokens, length = 3, 4
    model = built(5, T=tokens, L=length, n_layers=2, sampler="uniform")
    sequences = torch.tensor(list(product(range(tokens), repeat=length)))
    orders = torch.tensor(list(permutations(range(length))))
    q, k = (t.double() for t in every(model, sequences, orders))
    whole = [(v - v.mean((0, 1, 2))).flatten(0, 2) for v in (q, k)]
    place = [v.mean((0, 1)) - v.mean((0, 1, 2)) for v in (q, k)]
    back = orders.argsort(-1)
    items = [v[:, torch.arange(len(orders)).unsqueeze(1), back] for v in (q, k)]
    content = [(v.mean(1) - v.mean((0, 1, 2))).flatten(0, 1) for v in items]

    def covariance(part: Tensor) -> Tensor:
        return part.T @ part / len(part)

    def product_of(a: list[Tensor], b: list[Tensor]) -> float:
        return ((covariance(a[0]) * covariance(b[1])).sum() / D).item()

    mean = q.mean((0, 1, 2))
    total = product_of(whole, whole) + (mean @ covariance(whole[1]) @ mean).item() / D
    wanted = {
        "position_position": product_of(place, place) / total,
        "token_token": product_of(content, content) / total,
        "cross": (product_of(place, content) + product_of(content, place)) / total,
        "key_position": (mean @ covariance(place[1]) @ mean).item() / D / total,
        "key_token": (mean @ covariance(content[1]) @ mean).item() / D / total,
    }
    wanted["residual"] = 1 - sum(wanted.values())
    found = split(model)
    second = replace(found, terms=found.terms[1:], replicates=found.replicates[:, 1:])
    for name, value in wanted.items():
        error = second.error(name)
        assert error is not None
        assert 0 < error < 0.05, name
        assert abs((second.share(name) or 0) - value) < 4 * error, name
    assert wanted["residual"] > 0.01  # there is something to find


def every(model: HookedTransformer, sequences: Tensor, orders: Tensor) -> list[Tensor]:
    """Queries and keys of the second block for all sequences in all orders."""
    flat = sequences[:, orders].flatten(0, 1)
    with torch.no_grad():
        _, cache = model.run_with_cache(flat)
    shape = (len(sequences), len(orders), sequences.shape[1], -1)
    return [cache[name, 1][:, :, 0].reshape(shape) for name in ("q", "k")]


def test_without_positions_nothing_is_positional() -> None:
    model = built(6, n_layers=2, n_heads=2, positions=False)
    found = find_probe("attention-sources")(model)
    assert found.value("positional_share") == 0
    assert found.value("semantic_share") == pytest.approx(1)
    assert (found.value("m_like"), found.value("theta_like") > 0) == (0, True)
    kept = find_probe("keep-source")(model)
    assert kept.value("semantic") == kept.value("accuracy")


def test_a_constant_matrix_is_positional() -> None:
    found = find_probe("attention-sources")(construct("lin+sftm", T=8, L=6))
    assert (found.value("positional_share"), found.value("semantic_share")) == (1, 0)
    assert abs(found.value("position_identity")) == pytest.approx(1)
    uniform = copy_with(construct("lin", T=8, L=6), W_mix=torch.full((6, 6), 0.5))
    flat = find_probe("attention-sources")(uniform)
    assert (flat.value("positional_share"), flat.value("m_like")) == (1, 0)
    kept = find_probe("keep-source")(construct("lin", T=8, L=6))
    assert kept.value("positional") == kept.value("accuracy") == 1
    assert kept.value("semantic") == kept.value("neither") < 0.5


def test_scores_that_are_no_products_are_refused_and_said() -> None:
    model = built()
    assert why_not_split(model, model.task()) is None
    bias = torch.randn(L, L, generator=seeded(0), dtype=torch.float64)
    model.add_hook("blocks.0.attn.hook_attn_scores", lambda scores, hook: scores + bias)
    reason = find_probe("keep-source").why_not(model, model.task())
    assert reason is not None
    assert "not the products of its queries and keys" in reason


def placed(name: str, positional: bool) -> HookedTransformer:
    """A construction in a stream with L more coordinates, which hold the position.

    Its attention looks at tokens as before, or, of a constant matrix, at those coordinates.
    """
    old = construct(name, T=8, L=6)
    w, bos = old.weights(), int(old.config.bos)
    d, n = old.config.d, 6 + bos
    config = TransformerConfig.counting(
        old.config.architecture.replace("lin", "dot"), T=8, L=6, d=d + n, p=old.config.p,
        positions=True,
    )  # fmt: skip
    pad = torch.nn.functional.pad
    places = pad(torch.eye(n), (d, 0))
    if positional:
        W_Q = pad(w["W_mix"] * (d + n) ** 0.5, (0, d, d, 0))
        W_K = pad(torch.eye(n), (0, d, d, 0))
    else:
        # The scale of the scores goes with the width.
        W_Q = pad(w["W_Q"] * ((d + n) / d) ** 0.5, (0, n, 0, n))
        W_K = pad(w["W_K"], (0, n, 0, n))
    block = {
        "W_Q": W_Q.unsqueeze(0),
        "W_K": W_K.unsqueeze(0),
        "W_in": pad(w["W_in"], (0, 0, 0, n)),
        **{key: w[key] for key in ("b_in", "W_out", "b_out")},
    }
    weights = {"W_E": pad(w["W_E"], (0, n)), "W_pos": places}
    return HookedTransformer(config, weights | {f"blocks.0.{k}": v for k, v in block.items()})


@pytest.mark.parametrize(
    ("name", "attention", "counting"),
    [
        ("bos+sftm", "semantic", "relation-based"),
        ("dot+sftm", "semantic", "inventory-based"),
        ("lin+sftm", "positional", "inventory-based"),
        ("lin", "positional", "inventory-based"),
    ],
)
def test_built_models_that_know_positions(name: str, attention: str, counting: str) -> None:
    model = placed(name, attention == "positional")
    found = label(model)
    assert found.verdict == f"{attention} attention, {counting} counting"
    assert found.attention_agreement == 1
    evidence = {key: metric.value for key, metric in found.evidence.items()}
    other = "semantic" if attention == "positional" else "positional"
    assert evidence[f"{attention}_effect"] == pytest.approx(1)
    assert evidence[f"{other}_effect"] == pytest.approx(0, abs=1e-9)
    assert evidence["semantic_share"] == pytest.approx(float(attention == "semantic"), abs=1e-9)
    assert evidence[f"score_{attention}"] == pytest.approx(1)
    kept = find_probe("keep-source")(model)
    assert kept.value("accuracy") == kept.value(attention) == 1
    assert kept.value(other) == kept.value("neither") < 0.6


def answers(positional: float, semantic: float, whole: float = 1.0) -> Answers:
    return Answers(Effects(*(np.full(40, value) for value in (positional, semantic, whole))))


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (answers(0.5, 0.019), "positional"),
        (answers(0.019, 0.5), "semantic"),
        (answers(0.3, 0.7), "mixed"),
        (answers(0.2, 0.81), "semantic"),
        (answers(0.81, 0.2), "positional"),
        (answers(0.01, 0.01), "uninformed"),
        (answers(0.009, 0.0, whole=0.009), "uninformed"),
        (answers(0.011, 0.0, whole=0.011), "positional"),
    ],
)
def test_the_rule_of_models_that_know_positions(found: Answers, kind: str) -> None:
    rows = np.arange(40).reshape(4, 10)
    assert found.kind()[0] == kind
    both = min(found.effects.sizes()) >= 0.02
    assert ("the semantic share of both is" in found.kind()[1]) == both
    assert found.kinds(rows) == [kind] * 4


def test_the_reason_has_the_share_that_decides() -> None:
    _, why = answers(0.209, 0.930).kind()
    assert "the semantic share of both is 81.7%: semantic from 80% on, positional up to 20%" in why


def test_the_bootstrap_is_over_sequences() -> None:
    """Half of the sequences answer by positions, half by content."""
    half = np.arange(40) < 20
    effects = Effects(half * 1.0, ~half * 1.0, np.ones(40))
    found = Answers(effects)
    sets = np.stack([np.arange(20), np.arange(10, 30), np.arange(20, 40)])
    assert found.kinds(sets) == ["positional", "mixed", "semantic"]


@pytest.mark.parametrize(
    ("mechanism", "attention", "says"),
    [
        ("relation-based", "semantic", "semantic attention, relation-based counting"),
        ("mixed", "mixed", "mixed attention, mixed counting"),
        ("unsolved", "mixed", "mixed attention, counting unsolved"),
        (None, "positional", "positional attention"),
    ],
)
def test_verdicts(mechanism: str | None, attention: str, says: str) -> None:
    solved = label(construct("dot", T=8, L=6))
    axes = [ATTENTION.labelled(attention)]
    if mechanism is not None:
        axes.insert(0, COUNTING.labelled(mechanism))
    found = solved.model_copy(update={"axes": axes})
    assert (found.mechanism, found.attention) == (mechanism, attention)
    assert found.verdict == says
    assert MechanismLabel.model_validate_json(found.model_dump_json()).verdict == says


def test_the_first_table_is_what_a_run_gives() -> None:
    model = built(7, bos=True)
    q, _ = first_block(model, model.task())
    tokens = model.task().sample(5, seeded(0))
    _, cache = model.run_with_cache(tokens)
    position = torch.arange(L).expand(5, L)
    torch.testing.assert_close(cache["q", 0][:, 1:], q[tokens[:, 1:], position])


@pytest.mark.parametrize("kept", ["positional", "neither"])
def test_deeper_bos_carries_no_content_where_content_is_removed(kept: str) -> None:
    config = TransformerConfig.counting(
        "bos+sftm", T=5, L=4, d=8, p=6, n_layers=2, n_heads=2, positions=True
    )
    model = HookedTransformer(config, initial(config, torch.Generator().manual_seed(3)))
    context = CountContext(model, model.task())
    hooks = keeping.hooks_for(context, sources(context), kept)
    seen: list[Tensor] = []
    name = "blocks.1.attn.hook_pattern"
    with torch.no_grad():
        model.run_with_hooks(
            context.tokens, fwd_hooks=[*hooks, (name, lambda value, hook: seen.append(value))]
        )
    assert seen[0].std(0).max() < 1e-6
    assert context.cache[name].std(0).max() > 1e-3


def test_the_figure_has_one_scale_and_says_where_there_are_no_positions() -> None:
    probe = find_probe("attention-sources")
    without = probe(construct("dot", T=T, L=L))
    assert "position" not in without.arrays
    empty = probe.draw(without).axes[1]
    assert [text.get_text() for text in empty.texts] == ["no positions"]
    result = probe(built(8))
    result.arrays["position"] = result.arrays["position"] * 1e-5
    limits = {axes.collections[0].get_clim() for axes in probe.draw(result).axes[1:3]}
    limit = np.abs(result.arrays["token"]).max()
    assert limits == {(-limit, limit)}
