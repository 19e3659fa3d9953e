"""Symmetries keep what a model computes; what is not one of them does not."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mechprobe.models import (
    ARCHITECTURES,
    CONSTRUCTIONS,
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    construct,
)
from mechprobe.models.families.counting import initial
from mechprobe.models.families.counting.symmetries import (
    add_dead_neurons,
    common_direction,
    permute_neurons,
    qk_gauge,
    random_invertible,
    random_symmetry,
    relabel_tokens,
    rescale_neurons,
    residual_gl,
    shift_logits,
    shift_scores,
    split_neurons,
)
from mechprobe.models.hooked import copy_with

FAMILY = "mechprobe.models.families.counting."
SIZES = {"T": 12, "L": 5}
SEEDS = st.integers(0, 2**31)
WIDENED = st.booleans()
# Every construction of the family, and a random initialisation of every architecture.
BUILT = [n for n, one in CONSTRUCTIONS.items() if one.build.__module__.startswith(FAMILY)]
NAMES = [*BUILT, *(f"random {kind}" for kind in ARCHITECTURES)]
MODELS = st.sampled_from(NAMES)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, seed: int = 0, widened: bool = False) -> HookedTransformer:
    kind = name.removeprefix("random ")
    if name == kind:
        model = construct(name, **SIZES, seed=seed, dtype=torch.float64)
    else:
        config = CountingConfig.of(kind, **SIZES, d=7, p=10)
        weights = initial(config, seeded(seed))
        model = HookedTransformer(config, {n: w.double() for n, w in weights.items()})
    return model.widened() if widened else model


def tokens_for(model: HookedTransformer, seed: int, n: int = 16) -> torch.Tensor:
    return model.config.task().sample(n, seeded(seed))


def same(found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal to a millionth of the largest logit."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6 * wanted.abs().max().item())


def scored(model: HookedTransformer, logits: torch.Tensor) -> torch.Tensor:
    return model.config.task().scored(logits, 1)


def centred(logits: torch.Tensor) -> torch.Tensor:
    return logits - logits.mean(-1, keepdim=True)


@given(name=MODELS, seed=SEEDS, widened=WIDENED)
def test_residual_gl(name, seed, widened):
    model = build(name, seed, widened)
    turned = residual_gl(model, random_invertible(model.config.d, seeded(seed)))
    tokens = tokens_for(model, seed)
    assert turned.cfg.widened == widened
    assert not torch.allclose(turned.W_E, model.W_E, atol=1e-3)
    same(turned(tokens), model(tokens))


@given(name=MODELS.filter(lambda n: "lin" not in n), seed=SEEDS, widened=WIDENED)
def test_qk_gauge(name, seed, widened):
    model = build(name, seed, widened)
    turned = qk_gauge(model, random_invertible(model.config.d, seeded(seed)))
    tokens = tokens_for(model, seed)
    flat = not model.W_Q.any()  # attention that compares nothing stays so
    assert flat or not torch.allclose(turned.W_Q, model.W_Q, atol=1e-4)
    same(turned(tokens), model(tokens))


@given(name=MODELS, seed=SEEDS, widened=WIDENED)
def test_permuting_and_rescaling_neurons(name, seed, widened):
    model = build(name, seed, widened)
    tokens, p = tokens_for(model, seed), model.config.p
    order = torch.randperm(p, generator=seeded(seed))
    permuted = permute_neurons(model, order)
    assert torch.equal(permuted.b_in[0], model.b_in[0][order])
    same(permuted(tokens), model(tokens))
    scale = 0.1 + 4 * torch.rand(p, generator=seeded(seed)).double()
    rescaled = rescale_neurons(model, scale)
    assert not torch.allclose(rescaled.W_in, model.W_in, atol=1e-6)
    same(rescaled(tokens), model(tokens))


@given(name=MODELS, seed=SEEDS, widened=WIDENED, share=st.floats(-1.0, 2.0))
def test_splitting_and_adding_dead_neurons(name, seed, widened, share):
    model = build(name, seed, widened)
    tokens, p = tokens_for(model, seed), model.config.p
    chosen = torch.randperm(p, generator=seeded(seed))[: 1 + seed % p]
    split = split_neurons(model, chosen, torch.full((len(chosen),), share).double())
    assert split.config.p == p + len(chosen)
    same(split(tokens), model(tokens))
    padded = add_dead_neurons(model, 3, seeded(seed))
    assert padded.config.p == p + 3
    same(padded(tokens), model(tokens))
    _, cache = padded.run_with_cache(tokens)
    assert not cache["post", 0][..., p:].any()


@given(name=MODELS, seed=SEEDS, widened=WIDENED)
def test_relabelling_is_equivariance(name, seed, widened):
    model = build(name, seed, widened)
    T = model.config.T
    order = torch.randperm(T, generator=seeded(seed))
    tokens = tokens_for(model, seed)
    # BOS keeps its name.
    old = torch.cat([order, torch.tensor([T])])[tokens]
    same(relabel_tokens(model, order)(tokens), model(old))


@given(name=MODELS, seed=SEEDS, widened=WIDENED, constant=st.floats(-50, 50))
def test_shifting_logits(name, seed, widened, constant):
    model = build(name, seed, widened)
    tokens = tokens_for(model, seed)
    shifted = shift_logits(model, constant)(tokens)
    same(shifted, model(tokens) + constant)
    same(centred(shifted), centred(model(tokens)))


SHIFTABLE = [
    "lin+sftm",
    "dot+sftm",
    "bos+sftm-lookup",
    "bos+sftm-binary",
    "bos+sftm-circle",
    "bos+sftm-blend",
    "random lin+sftm",
]


@given(name=st.sampled_from(SHIFTABLE), seed=SEEDS, widened=WIDENED)
def test_shifting_scores_under_a_softmax(name, seed, widened):
    model = build(name, seed, widened)
    c, tokens = model.config, tokens_for(model, seed)
    row = torch.randn(c.n_ctx if c.mixing == "lin" else c.d, generator=seeded(seed)).double()
    shifted = shift_scores(model, row)
    same(shifted(tokens), model(tokens))
    before, after = (m.run_with_cache(tokens)[1]["attn_scores", 0] for m in (model, shifted))
    constant = row if c.mixing == "lin" else (model.weights()["W_E"][tokens] @ row).unsqueeze(1)
    torch.testing.assert_close(
        after - before,
        constant.unsqueeze(-1).expand_as(after),
        rtol=1e-6,
        atol=1e-9 * before.abs().max().item() + 1e-9,
    )


@pytest.mark.parametrize("name", ["dot", "bos", "lin", "random dot", "random lin"])
def test_scores_cannot_be_shifted_without_a_softmax(name):
    model = build(name)
    with pytest.raises(MechprobeError, match="without a softmax"):
        shift_scores(model, torch.ones(model.config.d, dtype=torch.float64))


def test_scores_cannot_be_shifted_when_keys_have_nothing_in_common():
    """Twelve random embeddings in seven dimensions lie on no hyperplane off the origin."""
    model = build("random dot+sftm")
    assert common_direction(model) is None
    with pytest.raises(MechprobeError, match="no hyperplane off the origin"):
        shift_scores(model, torch.ones(7, dtype=torch.float64))


@given(name=MODELS, seed=SEEDS, widened=WIDENED)
def test_random_symmetry_keeps_the_centred_logits(name, seed, widened):
    model = build(name, seed, widened)
    twin = random_symmetry(model, seeded(seed), relabel=False)
    tokens = tokens_for(model, seed)
    assert twin.cfg.widened == widened
    assert twin.cfg.dtype == torch.float64
    assert twin.fingerprint() != model.fingerprint()
    same(centred(scored(twin, twin(tokens))), centred(scored(model, model(tokens))))


@pytest.mark.parametrize("name", NAMES)
def test_random_symmetry_of_each_model(name):
    """All models once, with tokens renamed: the same generator gives the same order."""
    model = build(name, 1)
    plain = random_symmetry(model, seeded(5), relabel=False)
    renamed = random_symmetry(model, seeded(5), relabel=True)
    E, F = plain.weights()["W_E"], renamed.weights()["W_E"]
    order = torch.cdist(F, E).argmin(1)
    assert sorted(order.tolist()) == list(range(len(E)))
    assert order.tolist() != list(range(len(E)))
    tokens = tokens_for(model, 2)
    same(centred(renamed(tokens)), centred(model(order[tokens])))


@pytest.mark.parametrize("name", BUILT)
def test_random_symmetry_keeps_accuracy_in_float64(name):
    model = build(name, 2)
    twin = random_symmetry(model, seeded(6))
    tokens = tokens_for(model, 3, n=500)
    assert model.config.task().accuracy(twin(tokens), tokens) == 1.0


def test_random_symmetry_gives_back_the_type_it_was_given():
    model = construct("dot", **SIZES)
    twin = random_symmetry(model, seeded(0), relabel=False)
    assert twin.cfg.dtype == torch.float32
    tokens = tokens_for(model, 1)
    error = centred(twin(tokens)) - centred(model(tokens))
    assert error.abs().max() < 1e-3 * model(tokens).abs().max()


@given(seed=SEEDS, name=MODELS.filter(lambda n: "lin" not in n))
def test_dot_mixing_does_not_see_positions(seed, name):
    model = build(name, seed)
    tokens, bos = tokens_for(model, seed), int(model.config.bos)
    order = torch.randperm(model.config.L, generator=seeded(seed)) + bos
    order = torch.cat([torch.arange(bos), order])
    same(model(tokens[:, order]), model(tokens)[:, order])


@pytest.mark.parametrize("name", ["random lin", "random lin+sftm"])
def test_a_constant_matrix_does_see_positions(name):
    """Negative control of the test above."""
    model = build(name)
    tokens, order = tokens_for(model, 1), torch.tensor([1, 2, 3, 4, 0])
    error = model(tokens[:, order]) - model(tokens)[:, order]
    assert error.abs().max() > 1e-2 * model(tokens).abs().max()


@pytest.mark.parametrize("weight", ["W_E", "W_Q", "W_K", "W_in", "b_in", "W_out", "b_out"])
def test_a_change_that_is_no_symmetry_is_seen(weight):
    """Negative control of all: doubling one weight alone changes the centred logits."""
    model = build("random dot+sftm")
    tokens = tokens_for(model, 1)
    changed = copy_with(model, **{weight: 2 * model.weights()[weight]})
    error = centred(changed(tokens)) - centred(model(tokens))
    assert error.abs().max() > 1e-4 * model(tokens).abs().max()


@given(d=st.integers(2, 40), seed=SEEDS)
def test_random_invertible_is_well_conditioned(d, seed):
    s = torch.linalg.svdvals(random_invertible(d, seeded(seed)))
    assert s.max() <= 2 + 1e-9
    assert s.min() >= 0.5 - 1e-9


# -- what is refused ----------------------------------------------------------------------------


def singular(kind: str, d: int) -> torch.Tensor:
    noise = torch.randn(d, d, generator=seeded(8), dtype=torch.float64)
    if kind == "zero":
        return torch.zeros(d, d, dtype=torch.float64)
    if kind == "projection":
        q, _ = torch.linalg.qr(noise)
        return q[:, 1:] @ q[:, 1:].T
    return torch.outer(noise[0], noise[1])


@pytest.mark.parametrize("kind", ["zero", "projection", "rank one"])
def test_singular_matrices_are_refused(kind):
    model = build("random dot")
    G = singular(kind, model.config.d)
    with pytest.raises(MechprobeError, match="G is singular"):
        residual_gl(model, G)
    with pytest.raises(MechprobeError, match="H is singular"):
        qk_gauge(model, G)


def test_other_misuse_is_refused():
    lin, dot = build("random lin"), build("random dot")
    p, T = dot.config.p, dot.config.T
    with pytest.raises(MechprobeError, match="a lin model has no W_Q"):
        qk_gauge(lin, torch.eye(lin.config.d, dtype=torch.float64))
    for bad in (0.0, -1.0, float("nan")):
        scale = torch.ones(p, dtype=torch.float64)
        scale[3] = bad
        with pytest.raises(MechprobeError, match="scales must be positive"):
            rescale_neurons(dot, scale)
    with pytest.raises(MechprobeError, match=r"order is not a permutation of 0\.\.9"):
        permute_neurons(dot, torch.zeros(p, dtype=torch.long))
    with pytest.raises(MechprobeError, match=r"order is not a permutation of 0\.\.11"):
        relabel_tokens(dot, torch.arange(T) - 1)
    with pytest.raises(MechprobeError, match="name each neuron once"):
        split_neurons(dot, torch.tensor([2, 2]), torch.tensor([0.5, 0.5]).double())
