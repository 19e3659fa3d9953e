"""What a model says of its mixers, and a mixer of the tests' own in the place of attention."""

from collections.abc import Iterator

import pytest
import torch

from mechprobe.models import HookedTransformer, construct, load, save
from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.models.families.transformer import TransformerConfig, initial
from mechprobe.models.hooked import Mixer, Mixing
from mechprobe.models.hooked.mixers import NO_QUERIES, NO_SCORES
from tests.models.scan_family import NO_WEIGHTS, counter, registered

MADE = {"weights": "made"}
PATTERN = "blocks.0.mixer.hook_pattern"


@pytest.fixture
def _scan() -> Iterator[None]:
    with registered():
        yield


def transformer(**kind: object) -> HookedTransformer:
    config = TransformerConfig.standard(T=6, L=5, d=8, p=12, n_layers=2, n_heads=2)
    config = config.model_copy(update=kind)
    return HookedTransformer(config, initial(config, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("build", [lambda: construct("dot", T=8, L=6), transformer])
def test_attention_says_where_its_weights_scores_queries_and_keys_stand(build):
    model = build()
    assert len(model.mixers) == model.cfg.n_layers
    for layer, mixing in enumerate(model.mixers):
        names = {"q", "k", "v", "attn_scores", "pattern", "z"}
        assert mixing.hooks == {n: f"blocks.{layer}.attn.hook_{n}" for n in names}
        assert set(mixing.hooks.values()) <= set(model.hook_dict)
        assert (mixing.heads, mixing.softmax) == (model.cfg.n_heads, model.cfg.softmax)
        assert not mixing.constant
        assert mixing.no_weights is mixing.no_scores is mixing.no_queries is None
        assert isinstance(model.blocks[layer].attn, Mixer)


def test_a_constant_matrix_has_scores_but_no_queries():
    (mixing,) = construct("lin+sftm", T=8, L=6).mixers
    assert mixing.constant
    assert mixing.softmax
    assert "q" not in mixing.hooks
    assert mixing.no_scores is None
    assert mixing.no_queries == NO_QUERIES


def test_foreign_models_say_it_by_the_hook_points_they_have():
    model = compiled_counter(T=6, L=5)
    (mixing,) = model.mixers
    assert mixing.hooks["pattern"] == "blocks.0.attn.hook_pattern"
    assert mixing.softmax == model.cfg.softmax
    assert mixing.no_queries is None


def test_weights_and_the_sentence_why_there_are_none_exclude_each_other():
    with pytest.raises(ValueError, match="says why"):
        Mixing()
    with pytest.raises(ValueError, match="says why"):
        Mixing({"pattern": PATTERN}, no_weights="there are none")
    with pytest.raises(ValueError, match="one head or more"):
        Mixing({"pattern": PATTERN})
    with pytest.raises(ValueError, match="one head or more"):
        Mixing(heads=1, no_weights="there are none")
    assert Mixing({"pattern": PATTERN}, 1).no_scores == NO_SCORES
    assert Mixing(no_weights="there are none").no_queries == "there are none"


@pytest.mark.usefixtures("_scan")
def test_a_scan_stands_in_the_place_of_attention():
    model = counter(n_layers=2)
    (first, second) = model.mixers
    assert first == second == Mixing(no_weights=NO_WEIGHTS)
    assert isinstance(model.blocks[0].mixer, Mixer)
    tokens = model.task().sample(4, torch.Generator().manual_seed(0))
    logits, cache = model.run_with_cache(tokens)
    assert "blocks.1.mixer.hook_gated" in cache
    assert torch.equal(model.read_out(model.resid_mid(tokens)), logits)
    assert torch.equal(cache["resid_mid", 1], cache["resid_pre", 1] + cache["attn_out", 1])
    assert torch.equal(logits.argmax(-1), model.task().targets(tokens))
    with pytest.raises(AttributeError, match="a scan model has no W_Q"):
        _ = model.W_Q
    assert set(model.tl_parameters()) >= {"embed.W_E", "blocks.1.mlp.W_in"}
    assert model.accumulated_bias(1).shape == (model.cfg.d_model,)


@pytest.mark.usefixtures("_scan")
@pytest.mark.parametrize("selective", [False, True])
def test_made_weights_are_what_mixes_and_can_be_written(selective):
    """One sequence against a sum over keys, and an edit against the same sum."""
    model = counter(**MADE, selective=selective)
    with torch.no_grad():
        model.blocks[0].mixer.decay.mul_(torch.linspace(0.5, 1.0, 8, dtype=torch.float64))
    assert model.mixers[0].constant == (not selective)
    tokens = model.task().sample(4, torch.Generator().manual_seed(0))
    plain = model(tokens)
    logits, cache = model.run_with_cache(tokens)
    assert torch.equal(logits, plain)  # listening changes nothing
    pattern, x = cache[PATTERN], cache["resid_pre", 0]
    assert pattern.shape == (4, 8, 6, 6)
    mixed = torch.einsum("bdqk,bkd->bqd", pattern, x)
    torch.testing.assert_close(mixed, cache["attn_out", 0])
    edit = [(PATTERN, lambda weights, hook: weights * 2)]
    with torch.no_grad():
        twice = model.run_with_hooks(tokens, fwd_hooks=edit)
        torch.testing.assert_close(twice, model.read_out(x + 2 * mixed))


@pytest.mark.usefixtures("_scan")
def test_a_family_from_outside_is_saved_and_loaded(tmp_path):
    model = counter(selective=True)
    save(model, tmp_path / "scan")
    again = load(tmp_path / "scan")
    assert again.config == model.config
    assert again.fingerprint() == model.fingerprint()
