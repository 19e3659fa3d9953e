"""TransformerLens's own utilities, unmodified, on wrapped models."""

import copy

import pytest
import torch
import transformer_lens.utilities as utils
from transformer_lens import ActivationCache, FactoredMatrix, SVDInterpreter, patching

from mechprobe.models import ARCHITECTURES, CountingConfig, HookedTransformer
from mechprobe.models.families.counting import initial

T, L, D, P = 7, 5, 6, 9
CLASSES = L + 1
PRECISION = {torch.float32: 1e-5, torch.float64: 1e-12}
DOT_KINDS = [kind for kind in ARCHITECTURES if not kind.startswith("lin")]
VIEWS = pytest.mark.parametrize("widened", [False, True], ids=["natural", "widened"])
DTYPES = pytest.mark.parametrize("dtype", PRECISION, ids=["float32", "float64"])
KINDS = pytest.mark.parametrize("kind", ARCHITECTURES)


@pytest.fixture
def _default_dtype(dtype):
    """patching stores its results in torch's default type."""
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(torch.float32)


def build(kind: str, widened: bool, dtype: torch.dtype = torch.float64) -> HookedTransformer:
    config = CountingConfig.of(kind, T=T, L=L, d=D, p=P)
    weights = initial(config, torch.Generator().manual_seed(3))
    return HookedTransformer(config, {n: w.to(dtype) for n, w in weights.items()}, widened)


def tokens_for(model: HookedTransformer, seed: int = 4, n: int = 8) -> torch.Tensor:
    return model.config.task().sample(n, torch.Generator().manual_seed(seed))


def close(found: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype, **named: str) -> None:
    tolerance = PRECISION[dtype]
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance, **named)


# -- activation patching ------------------------------------------------------------------------

# Name of the utility -> the hook it patches and the axes it goes over, in its own order.
SWEEPS = {
    "resid_pre": ("resid_pre", ("pos",)),
    "resid_mid": ("resid_mid", ("pos",)),
    "attn_out": ("attn_out", ("pos",)),
    "mlp_out": ("mlp_out", ("pos",)),
    "attn_head_out_by_pos": ("z", ("pos", "head")),
    "attn_head_q_by_pos": ("q", ("pos", "head")),
    "attn_head_k_by_pos": ("k", ("pos", "head")),
    "attn_head_v_by_pos": ("v", ("pos", "head")),
    "attn_head_pattern_by_pos": ("pattern", ("head", "dest")),
    "attn_head_pattern_dest_src_pos": ("pattern", ("head", "dest", "src")),
    "attn_head_out_all_pos": ("z", ("head",)),
    "attn_head_q_all_pos": ("q", ("head",)),
    "attn_head_k_all_pos": ("k", ("head",)),
    "attn_head_v_all_pos": ("v", ("head",)),
    "attn_head_pattern_all_pos": ("pattern", ("head",)),
}
EVERY = {
    "attn_head_all_pos_every": ("out", "q", "k", "v", "pattern"),
    "attn_head_by_pos_every": ("out", "q", "k", "v", "pattern"),
    "block_every": ("resid_pre", "attn_out", "mlp_out"),
}


def metric(logits: torch.Tensor) -> torch.Tensor:
    """Weighs every logit differently, so that no two cells agree by accident."""
    weight = torch.linspace(-1, 1, logits[0].numel(), dtype=logits.dtype).view(logits[0].shape)
    return (logits * weight).sum(dim=(1, 2)).mean()


def patched_by_hand(model, corrupted, cache, act: str, cell: dict[str, int]) -> torch.Tensor:
    """One patched run, with a hook written here."""

    def patch(value, hook):
        out, clean = value.clone(), cache[hook.name]
        if act == "pattern":
            dest = cell.get("dest", slice(None))
            src = cell.get("src", slice(None))
            out[:, 0, dest, src] = clean[:, 0, dest, src]
        else:
            pos = cell.get("pos", slice(None))
            out[:, pos] = clean[:, pos]
        return out

    hook = utils.get_act_name(act, 0)
    return metric(model.run_with_hooks(corrupted, fwd_hooks=[(hook, patch)]))


def test_these_are_all_the_patching_utilities():
    """All of TransformerLens's get_act_patch functions but direct paths: eighteen."""
    known = {f"get_act_patch_{name}" for name in [*SWEEPS, *EVERY]}
    found = {name for name in vars(patching) if name.startswith("get_act_patch_")}
    assert {name for name in found if "direct_path" not in name} == known
    assert len(known) == 18


@pytest.fixture
def _quiet(monkeypatch):
    """TransformerLens shows a progress bar for each sweep."""
    monkeypatch.setattr(patching, "tqdm", lambda rows: rows)


@VIEWS
@DTYPES
@KINDS
@pytest.mark.usefixtures("_quiet", "_default_dtype")
def test_every_sweep_is_the_patch_by_hand(kind, dtype, widened):
    """The shape of each sweep, and each of its cells for up to two positions an axis."""
    model = build(kind, widened, dtype).eval()
    clean, corrupted = tokens_for(model, 4), tokens_for(model, 5)
    _, cache = model.run_with_cache(clean)
    unpatched = metric(model(corrupted))
    for name, (act, axes) in SWEEPS.items():
        sweep = getattr(patching, f"get_act_patch_{name}")
        if act in "qk" and kind.startswith("lin"):
            # A constant matrix has no queries and keys: the missing name is what one is told.
            with pytest.raises(KeyError, match=f"hook_{act}"):
                sweep(model, corrupted, cache, metric)
            continue
        found = sweep(model, corrupted, cache, metric)
        sizes = [1 if axis == "head" else model.cfg.n_ctx for axis in axes]
        assert found.shape == (1, *sizes), name
        if act == "pattern" and kind.startswith("lin"):
            # The same in every run: there is nothing to patch.
            assert torch.equal(found, unpatched.expand_as(found).detach())
        else:
            assert (found - unpatched).abs().max() > 1e-4, name
        for cell in {tuple(0 for _ in sizes), tuple(size - 1 for size in sizes)}:
            at = dict(zip(axes, cell, strict=True))
            wanted = patched_by_hand(model, corrupted, cache, act, at)
            close(found[(0, *cell)], wanted.detach(), dtype, msg=f"{name} {at}")


@VIEWS
@pytest.mark.parametrize("kind", ["bos+sftm", "lin"])
@pytest.mark.usefixtures("_quiet")
def test_sweeps_say_the_same_without_gradients(kind, widened):
    """The utilities write in place then: no other activation may be the same memory."""
    model = build(kind, widened).eval()
    clean, corrupted = tokens_for(model, 4), tokens_for(model, 5)
    _, cache = model.run_with_cache(clean)
    for name, (act, _) in SWEEPS.items():
        if act in "qk" and kind == "lin":
            continue
        sweep = getattr(patching, f"get_act_patch_{name}")
        wanted = sweep(model, corrupted, cache, metric).detach()
        with torch.no_grad():
            assert torch.equal(sweep(model, corrupted, cache, metric), wanted), name


@VIEWS
@DTYPES
@KINDS
@pytest.mark.usefixtures("_quiet", "_default_dtype")
def test_every_collection_stacks_the_single_sweeps(kind, dtype, widened):
    model = build(kind, widened, dtype).eval()
    clean, corrupted = tokens_for(model, 4), tokens_for(model, 5)
    _, cache = model.run_with_cache(clean)
    for name, parts in EVERY.items():
        collection = getattr(patching, f"get_act_patch_{name}")
        if "q" in parts and kind.startswith("lin"):
            with pytest.raises(KeyError, match="hook_q"):
                collection(model, corrupted, cache, metric)
            continue
        found = collection(model, corrupted, cache, metric)
        prefix, suffix = (
            ("", "") if name == "block_every" else ("attn_head_", name[10:].removesuffix("_every"))
        )
        for i, part in enumerate(parts):
            single = f"{prefix}{part}_{suffix}".rstrip("_")
            act, axes = SWEEPS[single]
            last = {axis: (0 if axis == "head" else model.cfg.n_ctx - 1) for axis in axes}
            wanted = patched_by_hand(model, corrupted, cache, act, last).detach()
            close(found[i].flatten()[-1], wanted, dtype, msg=single)
        # Attention positions come before heads in the stacked result.
        tail = {"block_every": (L,), "attn_head_all_pos_every": (1,)}.get(name, (L, 1))
        tail = tuple(model.cfg.n_ctx if size == L else size for size in tail)
        assert found.shape == (len(parts), 1, *tail)


def test_patching_a_whole_run_into_itself_changes_nothing():
    model = build("bos+sftm", True)
    tokens = tokens_for(model)
    _, cache = model.run_with_cache(tokens)
    found = patching.get_act_patch_block_every(
        model, tokens, cache, {"m": metric}, reduce="scalar", baseline=True
    )
    torch.testing.assert_close(
        found.values, found.baseline.view(-1, 1, 1, 1).expand_as(found.values)
    )


# -- the cache on the widened view --------------------------------------------------------------


@DTYPES
@KINDS
def test_decompositions_of_the_widened_stream_are_exact(kind, dtype):
    model = build(kind, True, dtype)
    tokens = tokens_for(model)
    logits, cache = model.run_with_cache(tokens)
    assert isinstance(cache, ActivationCache)
    post = cache["resid_post", 0]

    parts, labels = cache.decompose_resid(return_labels=True)
    assert labels == ["embed", "0_attn_out", "0_mlp_out"]
    close(parts.sum(0), post, dtype)
    before, labels = cache.decompose_resid(layer=0, mlp_input=True, return_labels=True)
    assert labels == ["embed", "0_attn_out"]
    close(before.sum(0), cache["resid_mid", 0], dtype)

    stages, labels = cache.accumulated_resid(incl_mid=True, return_labels=True)
    assert labels == ["0_pre", "0_mid", "final_post"]
    close(stages, parts.cumsum(0), dtype)

    heads = cache.stack_head_results(layer=1)
    assert len(heads) == 1
    close(heads.sum(0), cache["attn_out", 0], dtype)
    neurons = cache.stack_neuron_results(layer=1)
    assert len(neurons) == P
    close(neurons.sum(0) + model.b_out[0], cache["mlp_out", 0], dtype)

    full, labels = cache.get_full_resid_decomposition(expand_neurons=True, return_labels=True)
    assert labels == ["L0H0", *(f"L0N{i}" for i in range(P)), "embed", "bias"]
    close(full.sum(0), post, dtype)
    layers = cache.get_full_resid_decomposition(expand_neurons=False)
    close(layers.sum(0), post, dtype)
    assert not torch.allclose(parts[0], post, atol=1e-3)
    close(post @ model.W_U + model.b_U, logits, dtype)


@DTYPES
@KINDS
def test_attributions_sum_to_the_logits(kind, dtype):
    model = build(kind, True, dtype)
    tokens = tokens_for(model)
    logits, cache = model.run_with_cache(tokens)
    full = cache.get_full_resid_decomposition(expand_neurons=True)
    for answer in range(CLASSES):
        share = cache.logit_attrs(full, answer)
        close(share.sum(0) + model.b_U[answer], logits[..., answer], dtype)
        # Only neurons and biases write to the classes.
        assert not share[0].any()
    right = torch.full_like(tokens, 1)
    start = int("bos" in kind)
    right[:, start:] = model.config.task().targets(tokens)
    wrong = (right + 1) % CLASSES
    difference = cache.logit_attrs(full, right, wrong).sum(0)
    picked = [logits.gather(-1, t.unsqueeze(-1)).squeeze(-1) for t in (right, wrong)]
    close(difference, picked[0] - picked[1], dtype)
    assert difference.abs().max() > 1e-2


@DTYPES
@KINDS
def test_logit_lens_ends_in_the_logits(kind, dtype):
    """Before the feed-forward layer nothing is written to the classes."""
    model = build(kind, True, dtype)
    logits, cache = model.run_with_cache(tokens_for(model))
    stages = cache.accumulated_resid(incl_mid=True) @ model.W_U + model.b_U
    assert not stages[0].any()
    assert not stages[1].any()
    close(stages[2], logits, dtype)


@KINDS
def test_the_natural_cache_slices_and_loses_its_batch_dimension(kind):
    model = build(kind, False)
    tokens = tokens_for(model)
    _, cache = model.run_with_cache(tokens)
    _, single = model.run_with_cache(tokens[:1], remove_batch_dim=True)
    assert single["resid_mid", 0].shape == (model.cfg.n_ctx, D)
    close(single["resid_mid", 0], cache["resid_mid", 0][0], torch.float64)
    _, plain = model.run_with_cache(tokens, return_cache_object=False)
    assert type(plain) is dict
    _, some = model.run_with_cache(tokens, names_filter="blocks.0.attn.hook_pattern")
    assert list(some.keys()) == ["blocks.0.attn.hook_pattern"]
    assert torch.equal(some["pattern", 0], plain["blocks.0.attn.hook_pattern"])


# -- factored matrices --------------------------------------------------------------------------


@VIEWS
@DTYPES
@pytest.mark.parametrize("kind", DOT_KINDS)
def test_the_qk_circuit_gives_the_scores(kind, dtype, widened):
    model = build(kind, widened, dtype)
    tokens = tokens_for(model)
    _, cache = model.run_with_cache(tokens)
    assert isinstance(model.QK, FactoredMatrix)
    x = cache["resid_pre", 0]
    scores = x @ model.QK.AB[0, 0] @ x.transpose(-2, -1) / model.cfg.attn_scale
    close(scores, cache["attn_scores", 0][:, 0], dtype)
    if kind.endswith("sftm"):
        close(scores.softmax(-1), cache["pattern", 0][:, 0], dtype)
    else:
        assert torch.equal(cache["attn_scores", 0], cache["pattern", 0])
    # From token to token, by multiplying factored matrices.
    rows = build(kind, widened, dtype).config.n_vocab
    E = x.new_zeros(rows, model.cfg.d_model)
    E[:, :D] = model.weights()["W_E"]
    circuit = (E @ model.QK[0, 0] @ E.T).AB / model.cfg.attn_scale
    wanted = circuit[tokens.unsqueeze(-1), tokens.unsqueeze(-2)]
    close(wanted, cache["attn_scores", 0][:, 0], dtype)


@VIEWS
@DTYPES
@pytest.mark.parametrize("kind", DOT_KINDS)
def test_singular_values_of_the_circuits(kind, dtype, widened):
    model = build(kind, widened, dtype)
    for circuit in (model.QK[0, 0], model.OV[0, 0]):
        u, s, v = circuit.svd()
        close(u @ s.diag() @ v.T, circuit.AB, dtype)
        wanted = torch.linalg.svdvals(circuit.AB)[: len(s)]
        close(s, wanted, dtype)
    close(model.OV[0, 0].S, torch.ones(D, dtype=dtype), dtype)


@VIEWS
@DTYPES
@KINDS
def test_the_ov_circuit_moves_embeddings_as_they_are(kind, dtype, widened):
    model = build(kind, widened, dtype)
    _, cache = model.run_with_cache(tokens_for(model))
    moved = cache["pattern", 0][:, 0] @ cache["resid_pre", 0] @ model.OV.AB[0, 0]
    close(moved, cache["attn_out", 0], dtype)


@DTYPES
@KINDS
def test_svd_interpreter_reads_the_widened_view(kind, dtype):
    """Singular directions in classes: none for OV and w_in, those of W_out for w_out."""
    model = build(kind, True, dtype)
    reader = SVDInterpreter(model)
    ov = reader.get_singular_vectors("OV", layer_index=0, head_index=0, num_vectors=3)
    w_in = reader.get_singular_vectors("w_in", layer_index=0, num_vectors=3)
    w_out = reader.get_singular_vectors("w_out", layer_index=0, num_vectors=3)
    for found in (ov, w_in, w_out):
        assert found.shape == (CLASSES, 1, 3)
    zeros = torch.zeros(CLASSES, 3, dtype=dtype)
    close(ov[:, 0], zeros, dtype)
    close(w_in[:, 0], zeros, dtype)
    _, _, vh = torch.linalg.svd(model.weights()["W_out"])
    # Up to the sign of each.
    overlap = (vh[:3] @ w_out[:, 0]).abs()
    close(overlap, torch.eye(3, dtype=dtype), dtype)


# -- editing ------------------------------------------------------------------------------------


@VIEWS
@DTYPES
@KINDS
def test_edits_have_the_effect_the_equations_say(kind, dtype, widened):
    """Scores, pattern, z and resid_mid: each written, each followed by hand to the logits."""
    model = build(kind, widened, dtype)
    tokens = tokens_for(model)
    _, cache = model.run_with_cache(tokens)
    w = model.weights()
    x = w["W_E"][tokens]

    def answer(mid):
        return (mid @ w["W_in"] + w["b_in"]).relu() @ w["W_out"] + w["b_out"]

    def run(name, edit):
        hook = utils.get_act_name(name, 0)
        return model.run_with_hooks(tokens, fwd_hooks=[(hook, lambda value, hook: edit(value))])

    scores = cache["attn_scores", 0][:, 0]
    mask = torch.zeros_like(scores)
    mask[:, :, 1] = -3.0
    pattern = (scores + mask).softmax(-1) if kind.endswith("sftm") else scores + mask
    close(run("attn_scores", lambda s: s + mask.unsqueeze(1)), answer(x + pattern @ x), dtype)

    even = torch.full_like(scores, 0.25)
    close(run("pattern", lambda a: even.unsqueeze(1)), answer(x + even @ x), dtype)
    close(run("z", torch.zeros_like), answer(x), dtype)
    mid = cache["resid_mid", 0]
    close(run("resid_mid", lambda r: 2 * r), answer(2 * mid[..., :D]), dtype)


# -- state, copies, gradients -------------------------------------------------------------------


@VIEWS
@DTYPES
@KINDS
def test_state_dict_round_trip_into_a_fresh_model(kind, dtype, widened):
    """All that makes the model, W_mix included, is in state_dict; no constants are."""
    model = build(kind, widened, dtype)
    state = model.state_dict()
    own = {"attn.W_mix"} if kind.startswith("lin") else {"attn.W_Q", "attn.W_K"}
    mlp = {"mlp.W_in", "mlp.b_in", "mlp.W_out", "mlp.b_out"}
    assert set(state) == {"embed.W_E"} | {f"blocks.0.{name}" for name in own | mlp}
    other = initial(model.config, torch.Generator().manual_seed(99))
    fresh = HookedTransformer(
        model.config, {name: w.to(dtype) for name, w in other.items()}, widened
    )
    tokens = tokens_for(model)
    assert not torch.allclose(fresh(tokens), model(tokens), atol=1e-3)
    fresh.load_state_dict(state)
    assert torch.equal(fresh(tokens), model(tokens))
    assert fresh.fingerprint() == model.fingerprint()


@VIEWS
@KINDS
def test_a_deep_copy_is_independent_and_hooked(kind, widened):
    model = build(kind, widened)
    model.W_E.requires_grad_(False)
    tokens = tokens_for(model)
    before = model(tokens)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(tokens), before)
    assert twin.cfg == model.cfg
    assert [p.requires_grad for p in twin.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]
    assert not {p.data_ptr() for p in twin.parameters()} & {
        p.data_ptr() for p in model.parameters()
    }
    # Hooks of the copy act on the copy alone.
    twin.add_hook("blocks.0.hook_resid_mid", lambda value, hook: 0 * value)
    assert torch.equal(model(tokens), before)
    assert not torch.allclose(twin(tokens), before, atol=1e-3)
    twin.reset_hooks()
    assert torch.equal(twin(tokens), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert torch.equal(model(tokens), before)
    _, cache = twin.run_with_cache(tokens)
    assert cache.model is twin


@VIEWS
@DTYPES
@KINDS
def test_backward_hooks_receive_gradients(kind, dtype, widened):
    model = build(kind, widened, dtype)
    tokens = tokens_for(model)
    seen = []
    loss = model.run_with_hooks(
        tokens,
        return_type="loss",
        bwd_hooks=[("blocks.0.hook_resid_mid", lambda grad, hook: seen.append(grad.clone()))],
        reset_hooks_end=False,
    )
    loss.backward()
    model.reset_hooks()

    # The same gradient by hand.
    mid = model.run_with_cache(tokens)[1]["resid_mid", 0].detach().requires_grad_()
    task = model.config.task()
    logits = task.scored(model.read_out(mid), 1).flatten(0, 1)
    wanted = torch.nn.functional.cross_entropy(logits, task.targets(tokens).flatten())
    (gradient,) = torch.autograd.grad(wanted, mid)
    assert len(seen) == 1
    assert gradient.abs().max() > 1e-5
    close(seen[0], gradient, dtype)


@VIEWS
@KINDS
def test_run_with_cache_keeps_gradients_too(kind, widened):
    model = build(kind, widened)
    tokens = tokens_for(model)
    loss, cache = model.run_with_cache(tokens, return_type="loss", incl_bwd=True)
    assert loss.ndim == 0
    names = set(model.hook_dict)
    assert set(cache.keys()) == names | {f"{name}_grad" for name in names}
    for name in names:
        assert cache[f"{name}_grad"].shape == cache[name].shape
    # Nothing changed on the way from hook_embed to resid_pre.
    close(cache["hook_embed_grad"], cache["blocks.0.hook_resid_pre_grad"], torch.float64)
    close(
        cache["blocks.0.mlp.hook_pre_grad"],
        cache["blocks.0.mlp.hook_post_grad"] * (cache["pre", 0] > 0),
        torch.float64,
    )


@VIEWS
@KINDS
def test_ordinary_training_reaches_every_weight(kind, widened):
    model = build(kind, widened)
    model(tokens_for(model), return_type="loss").backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@DTYPES
@KINDS
def test_views_give_back_the_weights(kind, dtype):
    model = build(kind, False, dtype)
    wide = model.widened()
    assert wide.cfg.widened
    assert wide.cfg.d_model == D + CLASSES
    for again in (wide, wide.widened(), copy.deepcopy(wide)):
        for name, weight in again.weights().items():
            assert torch.equal(weight, model.weights()[name]), name
            assert weight.dtype == dtype
            assert not weight.requires_grad
