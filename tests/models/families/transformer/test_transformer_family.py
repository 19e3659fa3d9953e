"""Transformers with depth, heads, positions and norms: plain, hooked, and against others."""

import copy
import itertools

import pytest
import torch
from transformer_lens import ActivationCache, patching
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    TransformerConfig,
    load,
    save,
)
from mechprobe.models.families.counting import forward as counting_forward
from mechprobe.models.families.counting import initial as counting_initial
from mechprobe.models.families.transformer import forward, initial, shapes

T, L, D, P = 7, 5, 8, 9
SIZES = {"T": T, "L": L, "d": D, "p": P}
PRECISION = {torch.float32: 1e-5, torch.float64: 1e-12}
KINDS = ["bos", "bos+sftm", "dot", "dot+sftm", "lin", "lin+sftm"]
DEEP = {"n_layers": 2, "n_heads": 2, "activation": "gelu"}
CONFIGS = {
    **{kind: TransformerConfig.counting(kind, **SIZES) for kind in KINDS},
    "deep": TransformerConfig.counting("bos", **SIZES, **DEEP, positions=True),
    "deep lin": TransformerConfig.counting("lin+sftm", **SIZES, **DEEP, values="value-output"),
    "identity": TransformerConfig.counting("dot", **SIZES, activation="identity", values="value"),
    "biased": TransformerConfig.counting(
        "bos+sftm", **SIZES, **DEEP, values="value-output", biases=True, d_head=3
    ),
    "normed": TransformerConfig.counting("dot+sftm", **SIZES, **DEEP, norm="pre"),
    "standard": TransformerConfig.standard(**SIZES, n_layers=2, n_heads=2),
    "bare": TransformerConfig.standard(**SIZES, n_layers=2, n_heads=2, norm="none", bos=True),
    "both": TransformerConfig.positional_semantic("both", **SIZES),
    "only_sem": TransformerConfig.positional_semantic("only_sem", **SIZES),
    "only_pos": TransformerConfig.positional_semantic("only_pos", **SIZES),
}
WIDE = [name for name, c in CONFIGS.items() if c.readout == "classes" and c.norm == "none"]
ALL = pytest.mark.parametrize("name", CONFIGS)


def weights_of(config: TransformerConfig, dtype=torch.float64, seed=3) -> dict[str, torch.Tensor]:
    """Random weights, LayerNorms that do something among them."""
    generator = torch.Generator().manual_seed(seed)
    drawn = initial(config, generator)
    for name in drawn:
        if "ln" in name:
            drawn[name] += torch.randn(drawn[name].shape, generator=generator) / 3
    return {name: w.to(dtype) for name, w in drawn.items()}


def build(name: str, dtype=torch.float64, widened=False, seed=3) -> HookedTransformer:
    config = CONFIGS[name]
    return HookedTransformer(config, weights_of(config, dtype, seed), widened)


def some_tokens(config: TransformerConfig, seed=4, n=6) -> torch.Tensor:
    return config.task().sample(n, torch.Generator().manual_seed(seed))


def close(found, wanted, dtype=torch.float64, msg=None):
    tolerance = PRECISION[dtype]
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance, msg=msg)


# -- the same numbers ---------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("dtype", PRECISION)
def test_hooked_answers_are_the_plain_ones(name, dtype):
    model, tokens = build(name, dtype), some_tokens(CONFIGS[name])
    wanted = forward(model.config, model.weights(), tokens)
    assert wanted.dtype == dtype
    views = [model, model.widened()] if name in WIDE else [model]
    for view in views:
        close(view(tokens), wanted, dtype)
        close(view.read_out(view.resid_mid(tokens)), wanted, dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_one_block_is_the_counting_transformer(kind):
    config = CountingConfig.of(kind, **SIZES)
    theirs = counting_initial(config, torch.Generator().manual_seed(5))
    ours = initial(CONFIGS[kind], torch.Generator().manual_seed(5))
    per_head = {"W_Q", "W_K", "W_mix"}
    for name, weight in theirs.items():
        where = name if name == "W_E" else f"blocks.0.{name}"
        assert torch.equal(ours.pop(where), weight.unsqueeze(0) if name in per_head else weight)
    assert not ours
    ours = initial(CONFIGS[kind], torch.Generator().manual_seed(5))
    tokens = some_tokens(CONFIGS[kind])
    wanted = counting_forward(config, {n: w[None] for n, w in theirs.items()}, tokens[None])[0]
    close(forward(CONFIGS[kind], ours, tokens), wanted, torch.float32)
    close(HookedTransformer(CONFIGS[kind], ours)(tokens), wanted, torch.float32)


def published(w: dict[str, torch.Tensor], tokens: torch.Tensor, attends: str) -> torch.Tensor:
    """Section 3 of arXiv:2402.03902, one sequence at a time."""
    half, rows = D // 2, []
    for row in tokens:
        e, p = w["W_E"][row].clone(), w["W_pos"].clone()
        if attends != "both":
            e[:, half:] = 0
            p[:, :half] = 0
        x = e + p
        seen = {"both": x, "only_sem": e, "only_pos": p}[attends]
        q, k = seen @ w["blocks.0.W_Q"][0], seen @ w["blocks.0.W_K"][0]
        a = torch.softmax(q @ k.T / D**0.5, -1)
        h = a @ (x @ w["blocks.0.W_V"][0])
        h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        h = h * w["blocks.0.ln2.w"] + w["blocks.0.ln2.b"]
        hidden = (h @ w["blocks.0.W_in"] + w["blocks.0.b_in"]).clamp(min=0)
        rows.append(hidden @ w["blocks.0.W_out"] + w["blocks.0.b_out"])
    return torch.stack(rows)


@pytest.mark.parametrize("attends", ["both", "only_sem", "only_pos"])
def test_positional_and_semantic_models_compute_what_was_published(attends):
    model = build(attends)
    tokens = some_tokens(model.config)
    close(model(tokens), published(model.weights(), tokens, attends))
    assert model.config.task().sampler == "uniform"


@pytest.mark.parametrize(
    ("n_layers", "norm", "act"),
    [(1, "none", "relu"), (2, "none", "gelu"), (1, "pre", "gelu"), (2, "pre", "relu")],
)
def test_the_standard_model_is_that_of_boot_native(n_layers, norm, act):
    config = TransformerConfig.standard(
        **SIZES, bos=True, n_layers=n_layers, n_heads=2, norm=norm, activation=act
    )
    w = weights_of(config, torch.float32)
    w["b_U"].zero_()  # theirs has none
    cfg = TransformerBridgeConfig(
        d_model=D, d_head=D // 2, n_heads=2, n_layers=n_layers, n_ctx=L + 1, d_vocab=T + 1,
        d_vocab_out=L + 1, d_mlp=P, act_fn=act, attention_dir="bidirectional",
        normalization_type="LN" if norm == "pre" else None, architecture="TransformerLensNative",
    )  # fmt: skip
    bridge = TransformerBridge.boot_native(cfg).eval()
    theirs = bridge.original_model
    norms = {f"layers.{i}.ln{n}": f"blocks.{i}.ln{n}" for i in range(n_layers) for n in (1, 2)}
    norms |= {"ln_out": "ln_final"}
    state = {"tok_embed.weight": w["W_E"], "pos.weight": w["W_pos"], "head.weight": w["W_U"].T}
    for i in range(n_layers):
        own = {n.removeprefix(f"blocks.{i}."): v for n, v in w.items()}
        for n in "QKV":
            flat = own[f"W_{n}"].transpose(0, 1).flatten(1).T
            state |= {f"layers.{i}.attn.{n.lower()}.weight": flat}
            state |= {f"layers.{i}.attn.{n.lower()}.bias": own[f"b_{n}"].flatten()}
        state[f"layers.{i}.attn.o.weight"] = own["W_O"].flatten(0, 1).T
        state[f"layers.{i}.attn.o.bias"] = own["b_O"]
        for theirs_name, ours in {"fc_in": "in", "fc_out": "out"}.items():
            state[f"layers.{i}.mlp.{theirs_name}.weight"] = own[f"W_{ours}"].T
            state[f"layers.{i}.mlp.{theirs_name}.bias"] = own[f"b_{ours}"]
    if norm == "pre":
        for there, here in norms.items():
            state |= {f"{there}.weight": w[f"{here}.w"], f"{there}.bias": w[f"{here}.b"]}
    parameters = dict(theirs.named_parameters())
    with torch.no_grad():
        filled = 0
        for name, parameter in parameters.items():
            plain = name.replace("_original_component.", "").replace("original_component.", "")
            parameter.copy_(state[plain])
            filled += 1
    assert filled == len(state)
    model, tokens = HookedTransformer(config, w), some_tokens(config)
    close(model(tokens), bridge(tokens), torch.float32)
    close(forward(config, w, tokens), bridge(tokens), torch.float32)
    # The hooks of both hold the same.
    _, mine = model.run_with_cache(tokens)
    _, others = bridge.run_with_cache(tokens)
    last = n_layers - 1
    for name in ("attn.hook_pattern", "attn.hook_z", "hook_attn_out", "hook_resid_mid"):
        key = f"blocks.{last}.{name}"
        close(mine[key], others[key].view_as(mine[key]), torch.float32, key)


# -- hooks --------------------------------------------------------------------------------------


def hook_names(config: TransformerConfig) -> set[str]:
    names = {"hook_embed"} | ({"hook_pos_embed"} if config.positions else set())
    norm_hooks = ("hook_scale", "hook_normalized")
    for layer in range(config.n_layers):
        own = {f"hook_{n}" for n in ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")}
        own |= {f"attn.hook_{n}" for n in ("v", "attn_scores", "pattern", "z")}
        own |= {"mlp.hook_pre", "mlp.hook_post"}
        own |= {"attn.hook_q", "attn.hook_k"} if config.mixing == "dot" else set()
        norms = {"none": (), "mlp": ("ln2",), "pre": ("ln1", "ln2")}[config.norm]
        own |= {f"{n}.{h}" for n in norms for h in norm_hooks}
        names |= {f"blocks.{layer}.{n}" for n in own}
    if config.norm == "pre" and config.readout == "unembed":
        names |= {f"ln_final.{h}" for h in norm_hooks}
    return names


@ALL
def test_every_hook_reads_and_writes_its_own_sequence(name):
    model = build(name)
    config, tokens = model.config, some_tokens(model.config)
    plain, cache = model.run_with_cache(tokens)
    assert isinstance(cache, ActivationCache)
    assert set(cache) == set(model.hook_dict) == hook_names(config)
    heads = {"attn.hook_q": config.d_head, "attn.hook_v": config.d_value}
    for hook, width in heads.items():
        if (key := f"blocks.0.{hook}") in cache:
            assert cache[key].shape == (6, config.n_ctx, config.n_heads, width)
    assert cache["pattern", 0].shape == (6, config.n_heads, config.n_ctx, config.n_ctx)

    def perturb(value, hook):
        out = value.clone()
        out[2] += torch.linspace(0.5, 2.0, out[2].numel(), dtype=out.dtype).view_as(out[2])
        return out

    for hook in model.hook_dict:
        edited = model.run_with_hooks(tokens, fwd_hooks=[(hook, perturb)])
        assert (edited[2] - plain[2]).abs().max() > 1e-4, hook
        others = torch.arange(6) != 2
        close(edited[others], plain[others], msg=hook)
    close(model(tokens), plain)


@pytest.mark.parametrize("name", ["deep", "standard", "only_sem"])
def test_resid_mid_of_the_last_block_is_read_position_by_position(name):
    model = build(name)
    tokens = some_tokens(model.config)
    logits, cache = model.run_with_cache(tokens)
    mid = cache["resid_mid", model.cfg.n_layers - 1]
    close(model.resid_mid(tokens), mid)
    close(model.read_out(mid[2, 3]), logits[2, 3])
    # A count is written there in a full run through hook_attn_out.
    shift = torch.linspace(-1, 1, D, dtype=mid.dtype)
    hook = f"blocks.{model.cfg.n_layers - 1}.hook_attn_out"
    written = model.run_with_hooks(tokens, fwd_hooks=[(hook, lambda v, hook: v + shift)])
    close(written, model.read_out(mid + shift))


def metric(logits: torch.Tensor) -> torch.Tensor:
    weight = torch.linspace(-1, 1, logits[0].numel(), dtype=logits.dtype).view(logits[0].shape)
    return (logits * weight).sum(dim=(1, 2)).mean()


@pytest.mark.parametrize("name", ["deep", "standard", "both"])
def test_all_eighteen_patching_functions_run(name, monkeypatch):
    monkeypatch.setattr(patching, "tqdm", lambda rows: rows)
    model = build(name, torch.float32)
    clean, corrupted = (some_tokens(model.config, seed, 3) for seed in (4, 5))
    _, cache = model.run_with_cache(clean)
    plain = metric(model(corrupted))
    sweeps = [f for f in vars(patching) if f.startswith("get_act_patch_") and "direct" not in f]
    assert len(sweeps) == 18
    cfg = model.cfg
    for function in sweeps:
        found = getattr(patching, function)(model, corrupted, cache, metric)
        axes = found.shape[1:] if function.endswith("every") else found.shape
        assert axes[0] == cfg.n_layers, function
        if "head" in function:
            assert cfg.n_heads in axes[1:], function
        assert (found - plain).abs().max() > 1e-5, function
    # One cell by hand: the last head's pattern in the last layer.
    found = patching.get_act_patch_attn_head_pattern_all_pos(model, corrupted, cache, metric)

    def patch(value, hook):
        value = value.clone()
        value[:, -1] = cache[hook.name][:, -1]
        return value

    hook = f"blocks.{cfg.n_layers - 1}.attn.hook_pattern"
    wanted = metric(model.run_with_hooks(corrupted, fwd_hooks=[(hook, patch)]))
    close(found[-1, -1], wanted, torch.float32)


@pytest.mark.parametrize("name", [*WIDE, "bare"])
def test_streams_are_sums_of_what_layers_write(name):
    if name in ("both", "only_sem", "only_pos"):
        pytest.skip("no residual")
    model = build(name, widened=name != "bare")
    tokens, layers = some_tokens(model.config), model.cfg.n_layers
    logits, cache = model.run_with_cache(tokens)
    last = cache["resid_post", layers - 1]
    parts, labels = cache.decompose_resid(return_labels=True)
    close(parts.sum(0), last)
    assert ("pos_embed" in labels) == model.cfg.positions
    close(last @ model.W_U + model.b_U, logits)
    full, names = cache.get_full_resid_decomposition(expand_neurons=True, return_labels=True)
    close(full.sum(0), last)
    assert len([n for n in names if "H" in n]) == layers * model.cfg.n_heads
    shares = cache.logit_attrs(full, 2).sum(0)
    close(shares + model.b_U[2], logits[..., 2])
    before = cache.decompose_resid(layer=layers - 1, mlp_input=True)
    close(before.sum(0), cache["resid_mid", layers - 1])
    heads = cache.stack_head_results(layer=layers)
    written = sum(cache["attn_out", i] - model.b_O[i] for i in range(layers))
    close(heads.sum(0), written)


def test_layer_norm_is_applied_to_parts_with_the_cached_scale():
    model = build("standard")
    logits, cache = model.run_with_cache(some_tokens(model.config))
    parts = cache.decompose_resid()
    normed = cache.apply_ln_to_stack(parts).sum(0)
    close(normed, cache["ln_final.hook_normalized"])
    close((normed * model.ln_final.w + model.ln_final.b) @ model.W_U + model.b_U, logits)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("standard", "answers in its own stream; use the natural view"),
        ("normed", "LayerNorm does not add up"),
        ("only_sem", "LayerNorm does not add up"),
    ],
)
def test_models_without_a_widened_view_say_why(name, why):
    with pytest.raises(MechprobeError, match=why):
        build(name).widened()


# -- weights ------------------------------------------------------------------------------------


@ALL
def test_weights_state_and_copies_round_trip(name, tmp_path):
    model = build(name, torch.float32)
    tokens = some_tokens(model.config)
    stored = weights_of(model.config, torch.float32)
    assert list(model.weights()) == list(shapes(model.config)) == list(stored)
    assert all(torch.equal(model.weights()[n], w) for n, w in stored.items())
    other = build(name, torch.float32, seed=9)
    assert other.fingerprint() != model.fingerprint()
    other.load_state_dict(model.state_dict())
    save(model, tmp_path / "m")
    views = [model.widened()] if name in WIDE else []
    for twin in (other, copy.deepcopy(model), load(tmp_path / "m"), *views):
        assert twin.fingerprint() == model.fingerprint()
        assert twin.config == model.config
        close(twin(tokens), model(tokens), torch.float32)
    assert model.with_dtype(torch.float64).cfg.dtype == torch.float64
    assert set(model.tl_parameters()) >= {"embed.W_E", "unembed.W_U", "blocks.0.mlp.W_in"}


@ALL
def test_training_the_hooked_model_moves_what_the_plain_one_moves(name):
    model = build(name)
    tokens = some_tokens(model.config)
    model(tokens, return_type="loss").backward()
    weights = {n: w.requires_grad_() for n, w in model.weights().items()}
    model.task().loss(forward(model.config, weights, tokens), tokens).backward()
    grads = {n: w.grad for n, w in weights.items()}
    assert all(g is not None and g.isfinite().all() for g in grads.values())
    found = {n: p.grad for n, p in model.named_parameters()}
    close(found["embed.W_E"], grads["W_E"])
    for layer, kind in itertools.product(range(model.cfg.n_layers), ("W_Q", "W_V", "W_O", "b_O")):
        if (key := f"blocks.{layer}.{kind}") in grads:
            close(found[f"blocks.{layer}.attn.{kind}"], grads[key], msg=key)


@pytest.mark.parametrize("attends", ["only_sem", "only_pos"])
def test_accessors_of_halves_show_what_is_used(attends):
    model = build(attends)
    stored, half = model.weights(), D // 2
    assert stored["W_E"][:, half:].any()
    assert not model.W_E[:, half:].any()
    assert not model.W_pos[:, :half].any()
    assert torch.equal(model.W_pos[:, half:], stored["W_pos"][:, half:])
    unseen = slice(half, None) if attends == "only_sem" else slice(0, half)
    assert not model.W_Q[0, 0, unseen].any()
    _, cache = model.run_with_cache(some_tokens(model.config))
    x = cache["resid_pre", 0]
    scores = x @ model.QK.AB[0, 0] @ x.mT / model.cfg.attn_scale
    close(scores, cache["attn_scores", 0][:, 0])


def test_accessors_of_deep_models():
    model = build("standard")
    assert model.W_Q.shape == (2, 2, D, D // 2)
    assert model.OV.AB.shape == (2, 2, D, D)
    assert model.W_in.shape == (2, D, P)
    assert model.b_O.shape == (2, D)
    assert model.b_U.any()
    assert not build("deep").b_Q.any()
    with pytest.raises(AttributeError, match="W_out differs in shape by layer"):
        _ = build("deep").W_out
    with pytest.raises(AttributeError, match="has no W_Q"):
        _ = build("deep lin").W_Q


# -- configurations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": 9}, "d=9 is no multiple of n_heads=2; give d_head"),
        ({"n_layers": 17}, "n_layers"),
        ({"n_heads": 65}, "n_heads"),
        ({"n_heads": 0}, "n_heads"),
        ({"d": "8"}, "d: Input should be a valid integer"),
        ({"activation": "swish"}, "activation"),
        ({"colour": 1}, "colour"),
        ({"n_classes": 3}, "n_classes=3 is less than L"),
        ({"d": 10_000, "T": 100_000}, "weights are more than"),
        ({"attends": "only_sem"}, "positions are missing"),
        ({"attends": "only_sem", "positions": True}, "later blocks see no halves"),
        ({"attends": "only_pos", "positions": True, "n_layers": 1, "d": 9, "d_head": 9}, "is odd"),
    ],
)
def test_bad_configurations_are_one_clear_line(changes, message):
    with pytest.raises(MechprobeError, match=message) as caught:
        TransformerConfig.checked({**SIZES, **DEEP, **changes}, "here")
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_refused():
    weights = weights_of(CONFIGS["standard"])
    with pytest.raises(MechprobeError, match=r"blocks\.1\.W_O has shape"):
        HookedTransformer(CONFIGS["standard"], weights | {"blocks.1.W_O": torch.zeros(2, 3, 4)})
    with pytest.raises(MechprobeError, match="W_mix does not belong to a 2 blocks, 2 heads"):
        HookedTransformer(CONFIGS["standard"], weights | {"W_mix": torch.zeros(2)})


def test_names_are_readable():
    assert CONFIGS["standard"].architecture == (
        "2 blocks, 2 heads, dot+sftm, gelu, positions, LayerNorm, W_V W_O, unembedding"
    )
    assert CONFIGS["only_sem"].architecture == "only_sem"
    assert CONFIGS["bos+sftm"].architecture == "1 block, 1 head, bos+sftm, relu"
