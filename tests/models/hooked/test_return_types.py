"""`forward` takes what users of TransformerLens give it: return types, and layers to end at."""

import pytest
import torch

from mechprobe.models import MechprobeError
from tests.models.hooked.test_inputs import FAMILIES, drawn, model_of


@pytest.mark.parametrize("family", [*FAMILIES, "solvable"])
def test_both_is_a_pair_of_logits_and_loss(family: str) -> None:
    model = model_of(family)
    inputs = drawn(model)
    out = model(inputs, return_type="both")
    logits, loss = out
    assert torch.equal(logits, model(inputs))
    assert torch.equal(out.logits, logits)
    assert out.loss == loss == model(inputs, return_type="loss")
    assert model(inputs, return_type=None) is None
    out, cache = model.run_with_cache(inputs, return_type="both")
    assert torch.equal(out.loss, loss)
    assert cache["resid_pre", 0].shape[0] == len(inputs)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_each_token_is_its_surprise(family: str) -> None:
    model = model_of(family)
    tokens = drawn(model)
    losses = model(tokens, return_type="loss", loss_per_token=True)
    start = tokens.shape[1] - 6
    right = (tokens[:, start:, None] == tokens[:, None, start:]).sum(-1)
    log_p = model(tokens)[:, start:].log_softmax(-1)
    torch.testing.assert_close(losses, -log_p.gather(-1, right[..., None])[..., 0])
    torch.testing.assert_close(losses.mean(), model(tokens, return_type="loss"))
    ones = torch.ones_like(right)
    given = model(tokens, return_type="both", loss_per_token=True, targets=ones).loss
    torch.testing.assert_close(given, -log_p[..., 1])


def test_a_students_loss_of_each_token_sums_to_its_error() -> None:
    model = model_of("solvable")
    x = drawn(model)
    losses = model(x, return_type="loss", loss_per_token=True)
    torch.testing.assert_close(losses, (model.task().targets(x) - model(x)).square().sum(-1) / 10)
    torch.testing.assert_close(losses.sum(-1).mean(), model(x, return_type="loss"))


@pytest.mark.parametrize("family", [*FAMILIES, "solvable"])
def test_a_run_stops_before_a_layer(family: str) -> None:
    model = model_of(family)
    inputs, n = drawn(model), model.cfg.n_layers
    _, cache = model.run_with_cache(inputs)
    for layer in range(n):
        for given in (layer, layer - n):
            stopped, seen = model.run_with_cache(inputs, stop_at_layer=given)
            assert torch.equal(stopped, cache["resid_pre", layer])
            # What comes later is not run.
            names = [name.split(".") for name in cache.cache_dict]
            earlier = [n for n in names if n[0] == "blocks" and int(n[1]) < layer]
            embedded = [n for n in names if n[0] in ("hook_embed", "hook_pos_embed")]
            assert {".".join(n) for n in earlier + embedded} == set(seen.keys())
    assert torch.equal(model(inputs, "loss", stop_at_layer=n), cache["resid_post", n - 1])
    assert torch.equal(model(inputs), model.run_with_cache(inputs)[0])
    for bad in (n + 1, -n - 1, True):
        with pytest.raises(MechprobeError, match=r"stop_at_layer=.*: the model has \d block"):
            model(inputs, stop_at_layer=bad)


@pytest.mark.parametrize("family", [*(f for f in FAMILIES if f != "foreign"), "solvable"])
def test_a_run_starts_at_a_layer(family: str) -> None:
    model = model_of(family)
    inputs = drawn(model)
    wanted, cache = model.run_with_cache(inputs)
    for layer in range(model.cfg.n_layers):
        resid = cache["resid_pre", layer]
        assert torch.equal(model(resid, start_at_layer=layer), wanted)
        assert torch.equal(model(resid[0], start_at_layer=layer - model.cfg.n_layers), wanted[:1])
        assert torch.equal(model(resid, start_at_layer=layer, stop_at_layer=layer), resid)
    for bad, said in (
        ({"start_at_layer": model.cfg.n_layers}, "the model has"),
        ({"start_at_layer": 0, "return_type": "loss"}, "the loss needs the sequences"),
    ):
        with pytest.raises(MechprobeError, match=said):
            model(resid, **bad)
    for stream in (resid[..., 1:], resid[:, 1:], resid.long(), resid.tolist(), resid[None]):
        with pytest.raises(MechprobeError, match="the residual stream"):
            model(stream, start_at_layer=0)


def test_layers_in_the_wrong_order_and_wrapped_models_that_would_start_late_are_refused() -> None:
    deep = model_of("transformer")
    resid = deep(drawn(deep), stop_at_layer=1)
    with pytest.raises(MechprobeError, match="start_at_layer=1 comes after stop_at_layer=0"):
        deep(resid, start_at_layer=1, stop_at_layer=0)
    model = model_of("foreign")
    resid = model(drawn(model), stop_at_layer=1)
    with pytest.raises(MechprobeError, match=r"write the stream to blocks\.1\.hook_resid_pre"):
        model(resid, start_at_layer=1)


@pytest.mark.parametrize("family", ["transformer", "foreign"])
def test_hooks_of_earlier_blocks_reach_where_a_run_stops(family: str) -> None:
    model = model_of(family)
    tokens = drawn(model)
    name = "blocks.0.hook_resid_mid"
    edit = [(name, lambda value, hook: 2 * value)]
    stopped = model.run_with_hooks(tokens, fwd_hooks=edit, stop_at_layer=1)
    with model.hooks(fwd_hooks=edit):
        _, cache = model.run_with_cache(tokens)
    torch.testing.assert_close(stopped, cache["resid_pre", 1])
    assert not torch.allclose(stopped, model(tokens, stop_at_layer=1))
