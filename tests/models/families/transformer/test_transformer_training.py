"""Training of transformers: learns, resumes to the same bits, unfreezes without a change."""

import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mechprobe.models import MechprobeError, TransformerConfig
from mechprobe.models.families.transformer import (
    FixedData,
    FreshData,
    Plan,
    accuracy,
    distance,
    forward,
    histogram_split,
    initial,
    train,
    unfreeze,
)

SIZES = {"T": 5, "L": 4, "d": 16, "p": 24}


def half_model(attends: str = "only_sem", seed: int = 0):
    config = TransformerConfig.positional_semantic(attends, **SIZES)
    return config, initial(config, torch.Generator().manual_seed(seed))


def data(config: TransformerConfig, n: int = 1500):
    return histogram_split(config.task(), n, torch.Generator().manual_seed(1))


def same_bits(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -- data ---------------------------------------------------------------------------------------


def test_the_split_has_no_sequence_twice_and_is_seeded():
    config, _ = half_model()
    train_tokens, validation = data(config, 500)
    both = torch.cat([train_tokens, validation])
    assert len(both.unique(dim=0)) == len(both) < 500
    assert len(train_tokens) == int(0.7 * len(both))
    assert torch.equal(train_tokens, data(config, 500)[0])
    # Shuffled, and uniform: in sorted order the first token would never fall.
    assert (train_tokens[1:, 0] < train_tokens[:-1, 0]).any()
    assert set(both.flatten().tolist()) == set(range(5))
    with pytest.raises(MechprobeError, match="cannot be split"):
        data(config, 1)


def test_fresh_data_differ_by_epoch_and_seed_and_come_again():
    task = TransformerConfig.counting("bos", **SIZES).task()
    fresh = FreshData(task, 20, seed=3)
    assert fresh.epoch(0).shape == (20, 5)
    assert torch.equal(fresh.epoch(4), FreshData(task, 20, seed=3).epoch(4))
    assert not torch.equal(fresh.epoch(4), fresh.epoch(5))
    assert not torch.equal(fresh.epoch(4), FreshData(task, 20, seed=4).epoch(4))
    with pytest.raises(MechprobeError, match="at least 1 sequence"):
        FreshData(task, 0, seed=3)


# -- training -----------------------------------------------------------------------------------


def test_training_learns_to_count_sequences_it_never_saw():
    config, weights = half_model("only_pos")
    tokens, validation = data(config)
    plan = Plan(epochs=60, batch=32, lr=1e-2, schedule="cosine")
    trained = train(config, weights, FixedData(tokens), plan, 0, validation=validation)
    assert len(trained.losses) == len(trained.accuracies) == 60
    assert trained.accuracies[0] < 0.9 < 0.97 < trained.accuracies[-1]
    assert trained.losses[-1] < trained.losses[0] / 5
    assert trained.accuracies[-1] == accuracy(config, trained.weights, validation)


@pytest.mark.parametrize("attends", ["only_sem", "only_pos"])
def test_what_is_hidden_does_not_learn(attends):
    config, weights = half_model(attends)
    trained = train(config, weights, FixedData(data(config)[0]), Plan(2, 32, 1e-2), 0).weights
    first, last = slice(0, 8), slice(8, None)
    hidden = {
        "blocks.0.W_Q": (0, last if attends == "only_sem" else first),
        "W_E": (slice(None), last),
        "W_pos": (slice(None), first),
    }
    for name, part in hidden.items():
        assert torch.equal(trained[name][part], weights[name][part]), name
        assert not torch.equal(trained[name], weights[name]), name


def test_training_on_fresh_draws_with_bos_learns():
    config = TransformerConfig.counting("bos+sftm", **SIZES)
    weights = initial(config, torch.Generator().manual_seed(0))
    fresh = FreshData(config.task(), 1000, seed=1)
    trained = train(config, weights, fresh, Plan(epochs=10, batch=25, lr=1e-2), 0)
    check = config.task().sample(500, torch.Generator().manual_seed(9))
    assert accuracy(config, trained.weights, check) > 0.95
    assert trained.accuracies == []


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_step_is_torchs_own(optimizer):
    """Against a loop over the reference loss, with an unfused optimiser, in double precision."""
    config, weights = half_model("both")
    weights = {name: w.double() for name, w in weights.items()}
    tokens = config.task().sample(30, torch.Generator().manual_seed(5))
    plan = Plan(epochs=1, batch=30, lr=1e-2, optimizer=optimizer)
    found = train(config, weights, FixedData(tokens), plan, 0).weights
    mine = {name: w.clone().requires_grad_() for name, w in weights.items()}
    torchs = (
        torch.optim.Adam(mine.values(), lr=1e-2, betas=(0.9, 0.98), eps=1e-9)
        if optimizer == "adam"
        else torch.optim.SGD(mine.values(), lr=1e-2)
    )
    config.task().loss(forward(config, mine, tokens), tokens).backward()
    torchs.step()
    for name, weight in mine.items():
        torch.testing.assert_close(found[name], weight.detach(), rtol=1e-7, atol=1e-7)


class Stop(Exception):  # noqa: N818
    """As if the process were killed."""


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, optimizer):
    config, weights = half_model()
    tokens, validation = data(config, 300)
    plan = Plan(epochs=5, batch=32, lr=1e-2, optimizer=optimizer, schedule="cosine")
    whole = train(config, weights, FixedData(tokens), plan, 7, validation=validation)
    state, ticks = tmp_path / "state.safetensors", []

    def stop_after_two(n):
        ticks.append(n)
        if sum(ticks) == 2:
            raise Stop

    given = (config, weights, FixedData(tokens), plan, 7)
    with pytest.raises(Stop):
        train(*given, validation=validation, progress=stop_after_two, state_path=state)
    assert state.exists()
    ticks.clear()
    resumed = train(*given, validation=validation, progress=ticks.append, state_path=state)
    assert ticks == [2, 1, 1, 1]
    assert same_bits(resumed.weights, whole.weights)
    assert (resumed.losses, resumed.accuracies) == (whole.losses, whole.accuracies)
    # The finished run stays, for whoever could not save what came out.
    again = train(*given, validation=validation, progress=ticks.append, state_path=state)
    assert ticks == [2, 1, 1, 1, 5]
    assert same_bits(again.weights, whole.weights)
    other = train(config, weights, FixedData(tokens), plan, 8)
    assert not same_bits(other.weights, whole.weights)


def test_a_state_of_another_run_or_a_damaged_one_is_refused(tmp_path):
    config, weights = half_model()
    tokens, _ = data(config, 200)
    plan, state = Plan(epochs=3, batch=32, lr=1e-2), tmp_path / "state.safetensors"

    def stop(n):
        raise Stop

    with pytest.raises(Stop):
        train(config, weights, FixedData(tokens), plan, 0, progress=stop, state_path=state)
    other = dataclasses.replace(plan, lr=2e-2)
    with pytest.raises(MechprobeError, match="state of another training run"):
        train(config, weights, FixedData(tokens), other, 0, state_path=state)
    state.write_bytes(state.read_bytes()[:300])
    with pytest.raises(MechprobeError, match="not a whole training state"):
        train(config, weights, FixedData(tokens), plan, 0, state_path=state)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("weight/W_E", lambda w: w[:1]),  # which would be spread over all rows
        ("weight/W_E", lambda w: w.double()),
        ("exp_avg/W_E", lambda w: w * torch.nan),
        ("step/W_E", lambda w: w.reshape(1)),
        ("weight/none", lambda w: torch.zeros(1)),
    ],
)
def test_a_state_that_cannot_be_is_refused(tmp_path, name, change):
    config, weights = half_model()
    tokens, _ = data(config, 200)
    plan, state = Plan(epochs=2, batch=32, lr=1e-2), tmp_path / "state.safetensors"
    train(config, weights, FixedData(tokens), plan, 0, state_path=state)
    with safe_open(state, framework="pt") as file:
        meta, kept = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    save_file(kept | {name: change(kept.get(name))}, state, metadata=meta)
    with pytest.raises(MechprobeError, match="not a whole training state"):
        train(config, weights, FixedData(tokens), plan, 0, state_path=state)
    curves = json.loads(meta["curves"])
    for wrong in ({"losses": curves["losses"] * 2}, {"losses": []}, {"losses": ["a", "b"]}):
        save_file(kept, state, metadata=meta | {"curves": json.dumps(curves | wrong)})
        with pytest.raises(MechprobeError, match="not a whole training state"):
            train(config, weights, FixedData(tokens), plan, 0, state_path=state)


def test_frozen_weights_stay_and_the_start_is_not_changed():
    config, weights = half_model("both")
    before = {name: w.clone() for name, w in weights.items()}
    tokens, _ = data(config, 200)
    plan, frozen = Plan(epochs=2, batch=32, lr=1e-2), ("W_E", "blocks.0.W_K")
    trained = train(config, weights, FixedData(tokens), plan, 0, frozen=frozen).weights
    assert same_bits(weights, before)
    assert {name for name in weights if torch.equal(trained[name], weights[name])} == set(frozen)
    with pytest.raises(MechprobeError, match="there is no weight W_X"):
        train(config, weights, FixedData(tokens), plan, 0, frozen=["W_X"])


def test_divergence_is_one_clear_line():
    config, weights = half_model()
    tokens, _ = data(config, 200)
    plan = Plan(epochs=3, batch=8, lr=10.0, optimizer="sgd")
    weights["blocks.0.W_out"] *= 1e18
    with pytest.raises(MechprobeError, match=r"diverged in epoch 0: .* lower lr \(now 10.0\)"):
        train(config, weights, FixedData(tokens), plan, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"lr": float("nan")}, "lr in"),
        ({"betas": (0.9, 1.0)}, "betas in"),
    ],
)
def test_bad_plans_are_refused(changes, message):
    with pytest.raises(MechprobeError, match=message):
        Plan(**{"epochs": 1, "batch": 1, "lr": 0.1} | changes)


@pytest.mark.parametrize(("name", "choices"), [("optimizer", "adam or"), ("schedule", "constant")])
def test_unknown_choices_are_refused(name, choices):
    plan = Plan(epochs=1, batch=1, lr=0.1)
    object.__setattr__(plan, name, "other")  # past the tests' own check of types
    with pytest.raises(MechprobeError, match=f"{name} 'other' is unknown; choose {choices}"):
        plan.__post_init__()


# -- unfreezing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("attends", ["only_sem", "only_pos"])
def test_unfreezing_keeps_the_answers_up_to_the_noise(attends):
    config, weights = half_model(attends)
    tokens = config.task().sample(50, torch.Generator().manual_seed(2))
    before = forward(config, weights, tokens)
    free, exact = unfreeze(config, weights, torch.Generator().manual_seed(3), noise=0.0)
    assert free.attends == "both"
    torch.testing.assert_close(forward(free, exact, tokens), before, rtol=1e-5, atol=1e-5)
    half = slice(8, None)
    assert not exact["W_E"][:, half].any()
    _, noisy = unfreeze(config, weights, torch.Generator().manual_seed(3))
    off = (forward(free, noisy, tokens) - before).abs().max()
    assert 1e-5 < off < 0.05
    moved = {name for name in noisy if not torch.equal(noisy[name], exact[name])}
    assert moved == {"W_E", "W_pos", "blocks.0.W_Q", "blocks.0.W_K"}
    for name in moved:
        assert (noisy[name] - exact[name]).std().item() == pytest.approx(1e-3, rel=0.3)
    with pytest.raises(MechprobeError, match="nothing is frozen"):
        unfreeze(free, noisy, torch.Generator())


def test_distance_is_the_sum_of_norms_over_weights():
    config, weights = half_model("both")
    other = {name: w.clone() for name, w in weights.items()}
    assert distance(config, weights, other) == 0
    other["W_E"][0, :2] += torch.tensor([3.0, 4.0])
    other["blocks.0.b_in"][0] += 2.0
    assert distance(config, weights, other) == pytest.approx(7.0, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": torch.zeros(0, 4, dtype=torch.long)}, "data: sequences of shape .0, 4."),
        ({"data": torch.zeros(3, 5, dtype=torch.long)}, "at least one of 4 positions is wanted"),
        ({"data": torch.full((3, 4), 5)}, "data: token ids go from 0 to 4"),
        ({"validation": torch.full((3, 4), -1)}, "validation: token ids go from 0 to 4"),
        ({"frozen": "all"}, "nothing is left to learn"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(change, message):
    config, weights = half_model()
    given = {"data": torch.zeros(3, 4, dtype=torch.long), "validation": None, "frozen": ()} | change
    frozen = tuple(weights) if given["frozen"] == "all" else ()
    with pytest.raises(MechprobeError, match=message):
        train(
            config, weights, FixedData(given["data"]), Plan(epochs=1, batch=2, lr=1e-3), 0,
            validation=given["validation"], frozen=frozen,
        )  # fmt: skip
