"""Every probe on transformers of any depth, with heads, positions, norms, and made elsewhere."""

import io
import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from mechprobe.models import HookedTransformer, TransformerConfig, construct
from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.models.families.transformer import initial
from mechprobe.probes import CountContext, ProbeResult, find_probe
from mechprobe.probes.conformance import subjects
from mechprobe.probes.counting.reading import COUNTING
from mechprobe.probes.labelling import label_in

T, L = 6, 5
# Of the probes that are there for every model that counts; others have tests of their own.
PROBES = (
    "ablate-neurons",
    "attention-dependence",
    "bos-anchoring",
    "count-transport",
    "counting-subspace",
    "linear-decoders",
    "mean-pattern",
    "mutual-coherence",
    "patch-count",
    "readout",
    "remove-shared-count",
)


def small(architecture: str, **changes: object) -> TransformerConfig:
    return TransformerConfig.counting(architecture, T=T, L=L, d=8, p=12, **changes)


ZOO = {
    "two heads": small("dot", n_heads=2, d_head=4),
    "two blocks of constant heads": small("lin", n_heads=2, n_layers=2),
    "gelu": small("bos", activation="gelu"),
    "identity, no residual": small(
        "dot+sftm", activation="identity", residual=False, readout="unembed"
    ),
    "positions, W_V": small("lin+sftm", positions=True, values="value"),
    "LayerNorm": small("bos+sftm", norm="pre", n_layers=2),
    "standard": TransformerConfig.standard(T=T, L=L, d=8, p=12, n_layers=2, n_heads=2),
    "halves": TransformerConfig.positional_semantic("only_sem", T=T, L=L, d=8, p=12),
}


@cache
def member(name: str) -> HookedTransformer:
    if name == "foreign":
        return compiled_counter(T=T, L=L)
    return HookedTransformer(ZOO[name], initial(ZOO[name], torch.Generator().manual_seed(1)))


@cache
def studied(name: str) -> CountContext:
    return CountContext(member(name), member(name).task(), 2)


def numbers(probe: str, context: CountContext) -> dict[str, float]:
    result = find_probe(probe).on(context)
    return {name: result.value(name) for name in result.metrics}


def sound(result: ProbeResult) -> None:
    """Finite or undefined, in range, words without a gap, a figure that draws."""
    for name, metric in result.metrics.items():
        low = -np.inf if metric.low is None else metric.low - 1e-9
        high = np.inf if metric.high is None else metric.high + 1e-9
        assert metric.value is None or low <= metric.value <= high, (result.probe, name)
        assert metric.value is None or np.isfinite(metric.value)
    assert "nan" not in result.words
    assert result.words


@pytest.mark.parametrize("name", [*ZOO, "foreign"])
def test_every_probe_measures_or_says_why_not(name: str) -> None:
    context = studied(name)
    for probe in PROBES:
        reason = find_probe(probe).why_not(context.model, context.task)
        if reason is None:
            sound(find_probe(probe).on(context))
        else:
            assert (probe, reason) == ("bos-anchoring", "the model has no BOS token")
            assert not context.task.bos
    verdict = label_in(context)
    assert np.isfinite([m.value for m in verdict.evidence.values() if m.value is not None]).all()
    assert (verdict.mechanism == "relation-based") == (name == "foreign")


def of_counting(model: HookedTransformer, **changes: object) -> HookedTransformer:
    """A counting model in family transformer: its block is the last, those before write nothing."""
    c = model.config
    config = TransformerConfig.counting(
        c.architecture, T=c.T, L=c.L, d=c.d, p=c.p, **({"d_head": c.d} | changes)
    )
    own, last = model.weights(), config.n_layers - 1
    shapes = initial(config, torch.Generator())
    weights = {name: torch.zeros_like(w, dtype=own["W_E"].dtype) for name, w in shapes.items()}
    weights["W_E"] = own["W_E"]
    for name in ("W_Q", "W_K", "W_mix"):
        if name in own:
            weights[f"blocks.{last}.{name}"][-1] = own[name]  # the last of the heads
    for name in ("W_in", "b_in", "W_out", "b_out"):
        weights[f"blocks.{last}.{name}"] = own[name]
    for name in ("W_V", "W_O"):
        if f"blocks.{last}.{name}" in weights:
            weights[f"blocks.{last}.{name}"][-1] = torch.eye(c.d, dtype=own["W_E"].dtype)
    return HookedTransformer(config, weights)


# Without a softmax a head of zeros mixes nothing; behind one it needs W_O.
GUISES: list[tuple[str, dict[str, object], tuple[int, int]]] = [
    ("dot-relation-groups", {}, (0, 0)),
    ("lin", {"n_layers": 2}, (1, 0)),
    ("bos+sftm", {"n_layers": 2, "values": "value-output"}, (1, 0)),
    ("bos", {"n_heads": 2}, (0, 1)),
    ("dot-lookup", {"n_layers": 2, "n_heads": 2}, (1, 1)),
]


@pytest.mark.parametrize(("name", "changes", "head"), GUISES, ids=[g[0] for g in GUISES])
def test_a_construction_in_another_guise_has_the_same_numbers(
    name: str, changes: dict[str, object], head: tuple[int, int]
) -> None:
    """The same block in family transformer, behind blocks and beside heads that write nothing."""
    model = construct(name, T=T, L=6)
    plain = CountContext(model, model.task(), 2)
    deep = CountContext(of_counting(model, **changes), model.task(), 2)
    assert deep.main_head == head
    for probe in PROBES:
        reason = find_probe(probe).why_not(plain.model, plain.task)
        assert find_probe(probe).why_not(deep.model, deep.task) == reason
        if reason is None:
            wanted, found = numbers(probe, plain), numbers(probe, deep)
            if "values" in changes:  # a uniform head does not vary, but has a size
                assert found.pop("variation", 0.0) <= wanted.pop("variation", 0.0)
            assert found == pytest.approx(wanted, rel=1e-4, abs=1e-4, nan_ok=True), probe
    one, other = label_in(plain), label_in(deep)
    assert (one.mechanism, one.attention, one.counters) == (
        other.mechanism,
        other.attention,
        other.counters,
    )
    np.testing.assert_allclose(other.kappa, one.kappa, atol=1e-6)


def test_the_main_head_is_named_where_there_are_several() -> None:
    plain, deep = construct("bos", T=T, L=L), of_counting(construct("bos", T=T, L=L), n_heads=2)
    for probe in ("attention-dependence", "bos-anchoring"):
        assert "main_head" not in find_probe(probe)(plain).arrays
        found = find_probe(probe)(deep)
        assert found.arrays["main_head"].tolist() == [0, 1]
        assert "n head 1 of block 0 " in found.words
        found.words = ""
        find_probe(probe).draw(found).savefig(io.BytesIO())


def test_the_main_head_by_hand() -> None:
    """Each pattern made uniform in turn, in a run of its own."""
    context = studied("standard")
    model, tokens = context.model, context.tokens
    changed = {}
    for layer, head in itertools.product(range(2), range(2)):

        def flat(pattern: torch.Tensor, hook: object, head: int = head) -> torch.Tensor:
            out = pattern.clone()
            out[:, head] = 1 / pattern.shape[-1]
            return out

        name = f"blocks.{layer}.attn.hook_pattern"
        with torch.no_grad():
            logits = model.run_with_hooks(tokens, fwd_hooks=[(name, flat)])
        changed[layer, head] = (logits.argmax(-1) != context.logits.argmax(-1)).sum().item()
    assert len(set(changed.values())) > 1
    assert changed[context.main_head] == max(changed.values())


def test_output_weights_lead_from_neurons_to_logits() -> None:
    """W_out where the layer answers, W_out W_U where it returns to the stream; slopes behind a
    norm, as finite differences have them."""
    plain = construct("dot", T=T, L=L)
    context = CountContext(plain, plain.task())
    assert torch.equal(context.output_weights[3], plain.W_out[-1].double())
    config = small("dot", readout="unembed", n_layers=2)
    linear = HookedTransformer(config, initial(config, torch.Generator().manual_seed(0)))
    found = CountContext(linear, linear.task()).output_weights
    w = linear.weights()
    wanted = (w["blocks.1.W_out"] @ w["W_U"]).double()
    torch.testing.assert_close(found, wanted.expand_as(found), rtol=1e-5, atol=1e-6)
    normed = member("standard").with_dtype(torch.float64)
    context = CountContext(normed, normed.task())
    resid = context.reference.resid[:, :, :2]
    step = 1e-5

    def pushed(by: float) -> torch.Tensor:
        def push(post: torch.Tensor, hook: object) -> torch.Tensor:
            out = post.clone()
            out[..., 7] += by
            return out

        with torch.no_grad(), normed.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", push)]):
            return normed.read_out(resid)

    slope = ((pushed(step) - pushed(-step)) / (2 * step)).mean((1, 2))
    torch.testing.assert_close(context.output_weights[:, 7], slope, rtol=1e-5, atol=1e-7)


def test_norms_leave_no_read_directions() -> None:
    found = find_probe("readout").on(studied("LayerNorm"))
    assert found.metrics["reading_rank"].value is None
    assert found.metrics["top_direction"].value is None
    assert 0 < found.value("participation") <= 1
    assert "after a LayerNorm they read no fixed directions" in found.words


def test_a_mean_pattern_holds_every_head_of_every_block() -> None:
    """Constant mixing has its mean already, in any number of heads and blocks."""
    assert numbers("mean-pattern", studied("two blocks of constant heads"))["lost"] == 0
    context = studied("LayerNorm")
    model = context.model
    tokens, w = context.tokens, [context.cache["pattern", i].mean(0) for i in range(2)]

    def hold(i: int) -> Callable[..., torch.Tensor]:
        return lambda pattern, hook: w[i].expand_as(pattern)

    with torch.no_grad():
        logits = model.run_with_hooks(
            tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_pattern", hold(i)) for i in range(2)]
        )
    found = numbers("mean-pattern", context)["accuracy_after"]
    assert found == pytest.approx(context.task.accuracy(logits, tokens))


def test_halves_count_the_coordinates_where_tokens_live() -> None:
    found = numbers("mutual-coherence", studied("halves"))
    assert found["welch_bound"] == pytest.approx(((6 - 4) / (4 * 5)) ** 0.5)
    assert found["coherence"] >= found["welch_bound"]


def test_the_kit_has_deep_subjects() -> None:
    cfgs = [model.cfg for _, model in subjects(("histogram",))]
    assert max(cfg.n_layers for cfg in cfgs) == 2
    assert {cfg.normalization_type for cfg in cfgs} > {None}
    assert len(cfgs) > len(COUNTING)
