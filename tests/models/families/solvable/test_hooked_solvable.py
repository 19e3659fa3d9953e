"""Solvable attention models behind hooks: the same numbers, every hook a read and write point."""

import copy
import math

import pytest
import torch
from transformer_lens import ActivationCache, FactoredMatrix, patching

from mechprobe.models import (
    HookedTransformer,
    MechprobeError,
    SolvableConfig,
    load,
    read_meta,
    save,
)
from mechprobe.models.families.solvable import forward, initial, task_of

D, PRECISION = 24, {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = pytest.mark.parametrize(
    ("L", "rank"), [(2, 1), (3, 2), (2, 3)], ids=["paper", "L3-rank2", "rank3"]
)
DTYPES = pytest.mark.parametrize("dtype", PRECISION, ids=["float32", "float64"])
VIEWS = pytest.mark.parametrize("widened", [False, True], ids=["natural", "widened"])


def build(L=2, rank=1, dtype=torch.float64, widened=False, full=False) -> HookedTransformer:
    config = SolvableConfig.of(d=D, L=L, rank=rank, teacher_rank=2, sigma=0.9)
    config = config.model_copy(update={"full_covariance": full})
    weights = initial(config, torch.Generator().manual_seed(1), dtype)
    return HookedTransformer(config, weights, widened)


def inputs(model: HookedTransformer, n: int = 5, seed: int = 2) -> torch.Tensor:
    return model.task().sample(n, torch.Generator().manual_seed(seed))


@SHAPES
@DTYPES
@VIEWS
def test_answers_equal_the_plain_forward(L, rank, dtype, widened):
    model = build(L, rank, dtype, widened)
    x = inputs(model)
    wanted = forward(model.config, model.weights(), x)
    torch.testing.assert_close(model(x), wanted, rtol=PRECISION[dtype], atol=PRECISION[dtype])


def test_every_hook_holds_what_its_name_says():
    model = build(3, 2)
    x, w = inputs(model), model.weights()
    answers, cache = model.run_with_cache(x)
    assert isinstance(cache, ActivationCache)
    moved = x + w["W_pos"]
    h = moved @ w["Q"]
    scores = h @ h.mT / D
    held = {
        "hook_embed": x,
        "hook_pos_embed": w["W_pos"].expand_as(x),
        "blocks.0.hook_resid_pre": moved,
        "blocks.0.attn.hook_q": h.unsqueeze(2),
        "blocks.0.attn.hook_k": h.unsqueeze(2),
        "blocks.0.attn.hook_v": moved.unsqueeze(2),
        "blocks.0.attn.hook_attn_scores": scores.unsqueeze(1),
        "blocks.0.attn.hook_pattern": scores.softmax(-1).unsqueeze(1),
        "blocks.0.attn.hook_z": (scores.softmax(-1) @ moved).unsqueeze(2),
        "blocks.0.hook_attn_out": answers,
        "blocks.0.hook_resid_post": answers,
    }
    assert set(cache) == set(held)
    for name, value in held.items():
        torch.testing.assert_close(cache[name], value, rtol=1e-12, atol=1e-12, msg=name)


@pytest.mark.parametrize("name", list(build().hook_dict))
def test_every_hook_writes(name):
    model = build()
    x = inputs(model)
    changed = model.run_with_hooks(x, fwd_hooks=[(name, lambda value, hook: value * 1.5 + 0.1)])
    assert not torch.allclose(changed, model(x))
    torch.testing.assert_close(model(x), forward(model.config, model.weights(), x))


@VIEWS
def test_weights_state_and_copies_round_trip(widened):
    model = build(3, 2, widened=widened, full=True)
    other = HookedTransformer(model.config, initial(model.config, torch.Generator()), widened)
    assert other.fingerprint() != model.fingerprint()
    other.load_state_dict(model.state_dict())
    for twin in (other, copy.deepcopy(model), model.widened()):
        assert twin.fingerprint() == model.fingerprint()
    assert model.with_dtype(torch.float32).cfg.dtype == torch.float32


def test_widened_stream_is_a_sum_of_its_parts():
    model = build(3, 2, widened=True)
    x = inputs(model)
    answers, cache = model.run_with_cache(x)
    parts, names = cache.decompose_resid(return_labels=True)
    assert names == ["embed", "pos_embed", "0_attn_out"]
    torch.testing.assert_close(parts.sum(0), cache["resid_post", 0])
    torch.testing.assert_close(cache.accumulated_resid()[-1] @ model.W_U, answers)
    heads = cache.stack_head_results(layer=1)
    torch.testing.assert_close(heads.sum(0), cache["attn_out", 0])


def test_patching_and_accessors():
    model = build(3, 2)
    clean, corrupt = inputs(model), inputs(model, seed=3)
    _, cache = model.run_with_cache(clean)

    def metric(answers):
        return answers[..., 0].mean()

    torch.set_default_dtype(torch.float64)
    try:
        found = patching.get_act_patch_attn_head_pattern_all_pos(model, corrupt, cache, metric)
        queries = patching.get_act_patch_attn_head_q_all_pos(model, corrupt, cache, metric)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.shape == (1, 1)
    assert queries.shape == (1, 1)
    # The whole pattern of the clean run on the corrupt run's values, by hand.
    by_hand = (cache["pattern", 0][:, 0] @ (corrupt + model.W_pos))[..., 0].mean()
    assert found.item() == pytest.approx(by_hand.item())
    assert isinstance(model.QK, FactoredMatrix)
    torch.testing.assert_close(model.QK.AB[0, 0], model.weights()["Q"] @ model.weights()["Q"].T)
    torch.testing.assert_close(model.OV.AB[0, 0], torch.eye(D, dtype=torch.float64))
    assert model.W_pos.shape == (3, D)
    with pytest.raises(AttributeError, match="reads vectors, it has no W_E"):
        _ = model.W_E
    with pytest.raises(AttributeError, match="has no W_in"):
        _ = model.W_in
    assert {"blocks.0.attn.W_Q", "pos_embed.W_pos"} <= model.tl_parameters().keys()
    assert model.accumulated_bias(1).shape == (D,)


def test_loss_is_the_tasks_and_has_gradients():
    model = build()
    x = inputs(model)
    loss = model(x, return_type="loss")
    task = task_of(model.config, model.weights())
    by_hand = ((task.targets(x) - model(x)) ** 2).sum() / (2 * D * len(x))
    assert loss.item() == pytest.approx(by_hand.item())
    loss.backward()
    assert model.blocks[0].attn.Q.grad.norm() > 0
    assert math.isclose(model(x, return_type="loss", targets=model(x)).item(), 0)


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(2, 2, D + 1),
        torch.zeros(2, 3, D),
        torch.zeros(2, 2, D).long(),
    ],
)
def test_inputs_of_another_shape_are_refused(bad):
    with pytest.raises(MechprobeError, match=r"real vectors of shape \(batch, 2, 24\)"):
        build()(bad)


@pytest.mark.parametrize("full", [False, True])
def test_checkpoints_round_trip(tmp_path, full):
    model = build(3, 2, full=full)
    save(model, tmp_path / "m", {"origin": "here"})
    again = load(tmp_path / "m")
    assert again.fingerprint() == model.fingerprint()
    assert again.config == model.config
    assert read_meta(tmp_path / "m") == {"origin": "here"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "quantum"}, "family 'quantum' is unknown; choose from counting, foreign"),
        ({"rank": 2}, "Q has shape"),
        ({"omega": 2.0}, "omega"),
        ({"A": [[0.6, 0.4], [0.5, 0.4]]}, "row 1 of A sums to 0.9"),
        ({"full_covariance": True}, "covariance is missing"),
    ],
)
def test_checkpoints_that_do_not_fit_are_refused(tmp_path, change, message):
    import json

    save(build(), tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(MechprobeError, match=message) as caught:
        load(tmp_path / "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_with_covariances_loads(tmp_path, dtype):
    model = build(full=True)
    save(model.with_dtype(dtype), tmp_path / "m")
    assert load(tmp_path / "m").cfg.dtype == torch.float32


def test_odd_checkpoints_are_one_line(tmp_path):
    import json

    save(build(), tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"family": ["solvable"]}))
    with pytest.raises(MechprobeError, match=r"family .* is unknown"):
        load(tmp_path / "m")
    weights = build().weights()
    tiny = {name: weight.to(torch.float8_e4m3fn) for name, weight in weights.items()}
    with pytest.raises(MechprobeError, match="floats are wanted"):
        HookedTransformer(build().config, tiny)
