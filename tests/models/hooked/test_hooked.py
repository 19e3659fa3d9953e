"""The hooked model against plain torch, and each of its hooks as a read and write point."""

import math

import pytest
import torch

from mechprobe.models import ARCHITECTURES, CountingConfig, HookedTransformer, MechprobeError
from mechprobe.models.families.counting import forward, initial
from mechprobe.models.hooked import copy_with
from mechprobe.models.hooked.answers import check_return_type

T, L, D, P = 7, 5, 6, 9
KINDS = [*ARCHITECTURES, "lin(bos)", "lin(bos)+sftm"]
PRECISION = {torch.float32: 1e-5, torch.float64: 1e-12}


def configuration(kind: str) -> CountingConfig:
    """One of the six architectures, or a constant matrix together with BOS."""
    if kind in ARCHITECTURES:
        return CountingConfig.of(kind, T=T, L=L, d=D, p=P)
    fields = {"T": T, "L": L, "d": D, "p": P, "mixing": "lin", "bos": True}
    config = CountingConfig.checked({**fields, "softmax": kind.endswith("sftm")})
    assert config.architecture == kind
    return config


def build(kind: str, dtype: torch.dtype = torch.float32) -> HookedTransformer:
    config = configuration(kind)
    weights = initial(config, torch.Generator().manual_seed(3))
    return HookedTransformer(config, {name: w.to(dtype) for name, w in weights.items()})


def some_tokens(kind: str, seed: int = 4, n: int = 8) -> torch.Tensor:
    return configuration(kind).task().sample(n, torch.Generator().manual_seed(seed))


def by_hand(kind: str, w: dict[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """The paper's equations, one sequence and one position at a time."""
    rows = []
    for row in tokens.tolist():
        x = [w["W_E"][t] for t in row]
        answers = []
        for i in range(len(row)):
            if kind.startswith("lin"):
                score = w["W_mix"][i]
            else:
                q = x[i] @ w["W_Q"]
                score = torch.stack([q.dot(x[j] @ w["W_K"]) for j in range(len(row))])
                score = score / math.sqrt(D)
            if kind.endswith("sftm"):
                e = (score - score.max()).exp()
                score = e / e.sum()
            mixed = x[i] + sum(score[j] * x[j] for j in range(len(row)))
            hidden = (mixed @ w["W_in"] + w["b_in"]).clamp(min=0)
            answers.append(hidden @ w["W_out"] + w["b_out"])
        rows.append(torch.stack(answers))
    return torch.stack(rows)


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_plain_torch(kind, dtype):
    model, tokens = build(kind, dtype), some_tokens(kind)
    wanted = by_hand(kind, model.weights(), tokens)
    tolerance = PRECISION[dtype]
    assert model(tokens).dtype == dtype
    for logits in (model(tokens), model.widened()(tokens)):
        torch.testing.assert_close(logits, wanted, rtol=tolerance, atol=tolerance)
    stacked = {name: torch.stack([w, w.flip(0)]) for name, w in model.weights().items()}
    both = forward(model.config, stacked, torch.stack([tokens, tokens.flip(0)]))
    torch.testing.assert_close(both[0], wanted, rtol=tolerance, atol=tolerance)
    flipped = by_hand(kind, {n: w[1] for n, w in stacked.items()}, tokens.flip(0))
    torch.testing.assert_close(both[1], flipped, rtol=tolerance, atol=tolerance)


def hook_shapes(kind: str, widened: bool) -> dict[str, tuple[int, ...]]:
    """Every documented hook and the shape it sees for 8 sequences."""
    n, pos, classes = 8, L + int("bos" in kind), L + 1
    width = D + classes if widened else D
    last = D + classes if widened else classes
    shapes = {
        "hook_embed": (n, pos, width),
        "blocks.0.hook_resid_pre": (n, pos, width),
        "blocks.0.attn.hook_v": (n, pos, 1, D),
        "blocks.0.attn.hook_attn_scores": (n, 1, pos, pos),
        "blocks.0.attn.hook_pattern": (n, 1, pos, pos),
        "blocks.0.attn.hook_z": (n, pos, 1, D),
        "blocks.0.hook_attn_out": (n, pos, width),
        "blocks.0.hook_resid_mid": (n, pos, width),
        "blocks.0.mlp.hook_pre": (n, pos, P),
        "blocks.0.mlp.hook_post": (n, pos, P),
        "blocks.0.hook_mlp_out": (n, pos, last),
        "blocks.0.hook_resid_post": (n, pos, last),
    }
    if not kind.startswith("lin"):
        shapes |= {f"blocks.0.attn.hook_{name}": (n, pos, 1, D) for name in "qk"}
    return shapes


def view(kind: str, widened: bool, dtype: torch.dtype = torch.float32) -> HookedTransformer:
    model = build(kind, dtype)
    return model.widened() if widened else model


@pytest.mark.parametrize("widened", [False, True], ids=["natural", "widened"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_is_cached_with_its_shape(kind, widened):
    model, tokens = view(kind, widened), some_tokens(kind)
    logits, cache = model.run_with_cache(tokens)
    assert {name: tuple(value.shape) for name, value in cache.items()} == hook_shapes(kind, widened)
    assert set(model.hook_dict) == set(cache.keys())
    assert torch.equal(logits, model(tokens))


@pytest.mark.parametrize("widened", [False, True], ids=["natural", "widened"])
@pytest.mark.parametrize("kind", KINDS)
def test_writing_to_a_hook_changes_the_logits_and_only_that_sequence(kind, widened):
    model, tokens = view(kind, widened), some_tokens(kind)
    plain = model(tokens)

    def perturb(value, hook):
        out = value.clone()
        # Not a constant over keys: a softmax would not see that.
        out[2] += torch.linspace(0.5, 2.0, out[2].numel()).view_as(out[2])
        return out

    for name in hook_shapes(kind, widened):
        edited = model.run_with_hooks(tokens, fwd_hooks=[(name, perturb)])
        assert (edited[2] - plain[2]).abs().max() > 1e-3, name
        others = torch.arange(8) != 2
        torch.testing.assert_close(edited[others], plain[others], msg=name)
    assert torch.equal(model(tokens), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_writing_what_was_read_from_another_run_gives_the_other_logits(kind):
    """resid_pre, resid_mid and resid_post each hold all that the later layers see."""
    model = build(kind)
    clean, other = some_tokens(kind, 4), some_tokens(kind, 5)
    wanted, cache = model.run_with_cache(clean)
    assert not torch.allclose(model(other), wanted, atol=1e-3)
    for name in ("resid_pre", "resid_mid", "resid_post", "mlp_out"):
        hook = f"blocks.0.hook_{name}"
        patched = model.run_with_hooks(other, fwd_hooks=[(hook, lambda v, hook: cache[hook.name])])
        torch.testing.assert_close(patched, wanted, msg=name)
    torch.testing.assert_close(model.read_out(cache["resid_mid", 0]), wanted)


@pytest.mark.parametrize("kind", ["lin", "lin+sftm", "lin(bos)"])
def test_constant_mixing_has_no_queries_and_keys(kind):
    model = build(kind)
    assert not [name for name in model.hook_dict if name.endswith(("hook_q", "hook_k"))]
    for name in ("W_Q", "W_K"):
        with pytest.raises(AttributeError, match=name):
            getattr(model, name)
    assert model.W_mix.shape == (1, L + int("bos" in kind), L + int("bos" in kind))


def test_dot_mixing_has_no_constant_matrix():
    with pytest.raises(AttributeError, match="W_mix"):
        _ = build("dot").W_mix


@pytest.mark.parametrize("kind", KINDS)
def test_accessors_give_the_weights_in_both_views(kind):
    natural, wide = build(kind), view(kind, True)
    classes = L + 1
    for name in ("W_E", "W_in", "b_in", "W_out", "b_out"):
        small, large = (getattr(m, name) for m in (natural, wide))
        small, large = (small, large) if name == "W_E" else (small[0], large[0])
        assert torch.equal(small, natural.weights()[name])
        # The wide one is the small one and zeros.
        torch.testing.assert_close(large.abs().sum(), small.abs().sum())
    assert torch.equal(wide.W_E[:, :D], natural.W_E)
    assert torch.equal(wide.W_in[0, :D], natural.W_in[0])
    assert torch.equal(wide.W_out[0, :, D:], natural.W_out[0])
    assert torch.equal(wide.b_out[0, D:], natural.b_out[0])
    assert torch.equal(natural.W_U, torch.eye(classes))
    assert torch.equal(wide.W_U, torch.eye(D + classes)[:, D:])
    assert not natural.b_U.any()
    assert torch.equal(natural.W_V[0, 0] @ natural.W_O[0, 0], torch.eye(D))


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_the_mean_cross_entropy_of_scored_positions(kind):
    model, tokens = build(kind, torch.float64), some_tokens(kind)
    log_p = by_hand(kind, model.weights(), tokens).log_softmax(-1)
    start = int("bos" in kind)
    total, number = 0.0, 0
    for row, sequence in zip(log_p, tokens.tolist(), strict=True):
        for i in range(start, len(sequence)):
            total -= row[i, sequence[start:].count(sequence[i])].item()
            number += 1
    assert model(tokens, return_type="loss").item() == pytest.approx(total / number, rel=1e-12)
    fixed = torch.zeros(8, L, dtype=torch.long)
    wanted = -log_p[:, start:, 0].mean().item()
    assert model(tokens, return_type="loss", targets=fixed).item() == pytest.approx(wanted)


def test_an_unknown_return_type_is_refused():
    with pytest.raises(MechprobeError, match="'predictions' is unknown; choose logits, loss, both"):
        build("dot")(some_tokens("dot"), return_type="predictions")
    with pytest.raises(MechprobeError, match=r"return_type tensor.* is unknown"):
        check_return_type(some_tokens("dot"))  # targets in the wrong place


def test_the_model_owns_its_weights():
    """Neither the dictionary it came from nor the one it gives shares memory with it."""
    config = configuration("dot")
    weights = initial(config, torch.Generator().manual_seed(0))
    model = HookedTransformer(config, weights)
    tokens = some_tokens("dot")
    before = model(tokens).clone()
    for w in [*weights.values(), *model.weights().values()]:
        w.zero_()
    assert torch.equal(model(tokens), before)


@pytest.mark.parametrize("widened", [False, True], ids=["natural", "widened"])
def test_copy_with_replaces_one_weight(widened):
    model = view("bos", widened)
    b_out = torch.arange(L + 1.0)
    changed = copy_with(model, b_out=b_out)
    assert changed.cfg.widened == widened
    assert torch.equal(changed.weights()["b_out"], b_out)
    assert torch.equal(changed.weights()["W_E"], model.weights()["W_E"])
    tokens = some_tokens("bos")
    shift = b_out - model.weights()["b_out"]
    torch.testing.assert_close(changed(tokens), model(tokens) + shift)
    assert changed.fingerprint() != model.fingerprint()


def test_fingerprint_is_of_the_weights_and_not_of_the_view():
    model = build("dot")
    assert model.fingerprint() == model.widened().fingerprint()
    assert model.fingerprint() != model.with_dtype(torch.float64).fingerprint()
    assert len(model.fingerprint()) == 16
    nudged = model.weights()["W_in"].clone()
    nudged[0, 0] = torch.nextafter(nudged[0, 0], torch.tensor(9.0))
    assert copy_with(model, W_in=nudged).fingerprint() != model.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_E": torch.zeros(T, D + 1)}, r"W_E has shape \(7, 7\)"),
        ({"b_in": torch.full((P,), float("nan"))}, "b_in holds NaN"),
        ({"b_out": torch.full((L + 1,), float("inf"))}, "b_out holds NaN or infinite"),
        ({"W_in": torch.zeros(D, P, dtype=torch.long)}, "W_in holds torch.int64"),
        ({"W_in": torch.zeros(D, P, dtype=torch.float64)}, "one type is wanted"),
        ({"W_mix": torch.zeros(L, L)}, "W_mix does not belong to a dot model"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, message):
    with pytest.raises(MechprobeError, match=message):
        HookedTransformer(configuration("dot"), build("dot").weights() | change)


@pytest.mark.parametrize(
    "fields", [{"T": 1}, {"L": 1}, {"d": 1}, {"p": 0}, {"p": 10**9}, {"d": -4}, {"n_classes": 3}]
)
def test_impossible_configurations_are_refused(fields):
    base = {"T": T, "L": L, "d": D, "p": P, "mixing": "dot", "softmax": True, "bos": False}
    assert CountingConfig.checked(base).architecture == "dot+sftm"
    with pytest.raises(MechprobeError) as caught:
        CountingConfig.checked(base | fields)
    assert next(iter(fields)) in str(caught.value)


def test_an_unknown_architecture_names_the_known_ones():
    with pytest.raises(MechprobeError, match=r"'dots' is unknown; choose from bos, bos\+sftm"):
        CountingConfig.of("dots", T=T, L=L, d=D, p=P)
