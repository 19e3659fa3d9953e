"""Training: it learns, is deterministic, and goes on where it was stopped."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    Trainee,
    TrainingPlan,
    train,
)
from mechprobe.models.families.counting import Trained, Weights, initial, log_spaced
from tests.models.families.counting.plain import Exploding, same_bits

TINY = CountingConfig.of("dot", T=6, L=5, d=8, p=8)
SHORT = TrainingPlan(steps=2300, batch=4, lr=3e-3)
PAIR = [Trainee(TINY, 4, SHORT), Trainee(TINY, 5, SHORT)]


class Stopped(Exception):  # noqa: N818
    """What a user who interrupts the run raises."""


def stop_after(looks: int):
    """A progress callback that interrupts after some looks."""
    seen = []

    def progress(steps: int) -> None:
        seen.append(steps)
        if len(seen) == looks:
            raise Stopped

    return progress


def same(a: list[Trained], b: list[Trained]) -> bool:
    """Whether everything that came out is the same, bit by bit."""
    return len(a) == len(b) and all(
        same_bits(x.weights, y.weights)
        and x.diverged_at == y.diverged_at
        and x.snapshots.keys() == y.snapshots.keys()
        and all(same_bits(x.snapshots[at], y.snapshots[at]) for at in x.snapshots)
        for x, y in zip(a, b, strict=True)
    )


def scores(config: CountingConfig, weights: Weights) -> tuple[float, float, float]:
    """Loss, accuracy and the accuracy of a constant answer on fresh sequences."""
    task, model = config.task(), HookedTransformer(config, weights)
    tokens = task.sample(2000, torch.Generator().manual_seed(12345))
    with torch.no_grad():
        loss = model(tokens, return_type="loss").item()
        return loss, task.accuracy(model(tokens), tokens), task.chance(tokens)


def test_a_tiny_model_learns_to_count():
    """Well above a constant answer in a few hundred steps; the first weights know nothing."""
    plan = TrainingPlan(steps=600, batch=32, lr=1e-2)
    (trained,) = train([Trainee(TINY, 0, plan)])
    start = initial(TINY, torch.Generator().manual_seed(0))
    loss_before, accuracy_before, chance = scores(TINY, start)
    loss, accuracy, _ = scores(TINY, trained.weights)
    assert accuracy_before < chance + 0.15
    assert loss < 0.5 * loss_before
    assert accuracy > chance + 0.3


@pytest.mark.parametrize("kind", ["bos+sftm", "dot+sftm", "lin+sftm", "bos", "lin"])
def test_loss_falls_in_the_other_kinds_too(kind):
    config = CountingConfig.of(kind, T=6, L=5, d=8, p=8)
    (trained,) = train([Trainee(config, 1, TrainingPlan(steps=300, batch=16, lr=1e-2))])
    before = scores(config, initial(config, torch.Generator().manual_seed(1)))
    assert scores(config, trained.weights)[0] < 0.8 * before[0]


def test_training_is_deterministic_and_seeds_matter():
    first, again = train(PAIR), train(PAIR)
    assert same(first, again)
    a, b = (one.weights["W_in"] for one in first)
    assert not torch.allclose(a, b, atol=1e-3)


def test_the_first_step_is_the_published_optimisers():
    """Bias-corrected moments of a first step are the gradient and its square: a step of lr."""
    plan = TrainingPlan(steps=1, batch=3, lr=1e-3, schedule="constant")
    (trained,) = train([Trainee(TINY, 7, plan)])
    start = initial(TINY, torch.Generator().manual_seed(7))
    moved = (trained.weights["b_out"] - start["b_out"]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("number", "each"), [(1, [1000, 1000, 300]), (2, [2000, 2000, 600])])
def test_progress_adds_up_to_the_model_steps(number, each):
    seen: list[int] = []
    train(PAIR[:number], progress=seen.append)
    assert seen == each


def test_progress_counts_what_plans_of_other_lengths_and_snapshots_take():
    seen: list[int] = []
    short = Trainee(TINY, 6, replace(SHORT, steps=150))
    train([PAIR[0], short], snapshots=[120], progress=seen.append)
    assert seen == [240, 910, 1000, 300]


def test_the_rate_warms_up_and_decays():
    rates = TrainingPlan(steps=1000, batch=1, lr=0.1).rates(0, 1000).tolist()
    assert rates[0] == pytest.approx(0.1 / 50)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) in (49, 50)
    assert all(a >= b for a, b in pairwise(rates[50:]))
    assert 0 < rates[-1] < 1e-5


def test_the_rate_of_a_constant_plan_and_a_part_of_a_plan():
    plan = TrainingPlan(steps=1000, lr=0.1)
    assert plan.rates(40, 60).tolist() == plan.rates(0, 1000)[40:60].tolist()
    assert set(replace(plan, schedule="constant").rates(0, 1000)) == {0.1}


def test_steps_to_look_at_are_log_spaced():
    assert log_spaced(1000, 4) == [1, 10, 100, 1000]
    assert log_spaced(5, 20) == [1, 2, 3, 4, 5]
    assert log_spaced(7, 1) == [1, 7]
    assert log_spaced(7, 0) == []


@pytest.mark.parametrize("looks", [1, 2])
def test_a_stopped_run_goes_on_to_the_same_weights(looks, tmp_path):
    state = tmp_path / "states" / "run.safetensors"
    with pytest.raises(Stopped):
        train(PAIR, progress=stop_after(looks), state_path=state)
    assert state.is_file()
    seen: list[int] = []
    resumed = train(PAIR, progress=seen.append, state_path=state)
    assert seen[0] == 2000 * looks
    assert sum(seen) == 4600
    assert same(resumed, train(PAIR))
    # The finished run stays, for whoever could not save what came out.
    again: list[int] = []
    assert same(train(PAIR, progress=again.append, state_path=state), resumed)
    assert again == [4600]
    assert list((tmp_path / "states").iterdir()) == [state]


def test_a_run_may_be_stopped_more_than_once(tmp_path):
    state = tmp_path / "run.safetensors"
    with pytest.raises(Stopped):
        train(PAIR, progress=stop_after(1), state_path=state)
    # The first report of a resumed run is what was done before.
    with pytest.raises(Stopped):
        train(PAIR, progress=stop_after(2), state_path=state)
    assert same(train(PAIR, state_path=state), train(PAIR))


def test_snapshots_and_a_divergence_survive_a_stop(tmp_path):
    state = tmp_path / "run.safetensors"
    models = [*PAIR, Trainee(TINY, 6, Exploding(**vars(SHORT)))]
    with pytest.raises(Stopped):
        train(models, snapshots=[130, 700], progress=stop_after(3), state_path=state)
    resumed = train(models, snapshots=[130, 700], state_path=state)
    assert same(resumed, train(models, snapshots=[130, 700]))
    assert [one.diverged_at for one in resumed] == [None, None, 151]
    assert [list(one.snapshots) for one in resumed] == [[130, 700], [130, 700], [130]]


def stopped(state: Path) -> None:
    with pytest.raises(Stopped):
        train(PAIR, progress=stop_after(1), state_path=state)


OTHER_RUNS = {
    "seeds": {"trainees": [PAIR[0], Trainee(TINY, 6, SHORT)]},
    "order": {"trainees": PAIR[::-1]},
    "plan": {"trainees": [Trainee(TINY, s, replace(SHORT, lr=2e-3)) for s in (4, 5)]},
    "shape": {"trainees": [Trainee(TINY.model_copy(update={"p": 9}), s, SHORT) for s in (4, 5)]},
    "number": {"trainees": PAIR[:1]},
    "snapshots": {"trainees": PAIR, "snapshots": [10]},
    "precision": {"trainees": PAIR, "precision": "float64"},
}


@pytest.mark.parametrize("change", OTHER_RUNS)
def test_the_state_of_another_run_is_refused(change, tmp_path):
    state = tmp_path / "run.safetensors"
    stopped(state)
    before = state.read_bytes()
    with pytest.raises(MechprobeError, match="state of another training run") as caught:
        train(**OTHER_RUNS[change], state_path=state)
    assert str(state) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert state.read_bytes() == before


def changed(
    state: Path, change: dict[str, str], extra: dict[str, np.ndarray] | None = None
) -> None:
    """Write other meta data and further tensors into a state, which knows no digest of it."""
    with safe_open(state, framework="np") as file:
        meta, kept = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    del meta["digest"]
    save_file({**kept, **extra}, state, metadata={**meta, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"step": "999999"},
        {"step": "0"},
        {"step": "1001"},  # within a block of data
        {"step": "1000.0"},
        {"steps": "[-5, 1000]"},
        {"steps": "[1000, 960]"},
        {"steps": "[1000, 1000, 1000]"},
        {"steps": "[true, 1000]"},
        {"diverged": "[null]"},
        {"diverged": "[1000, null]"},
        {"diverged": "[-1, null]"},
        {"diverged": "[5, null]"},  # and yet at step 1000
        {"diverged": '["5", null]'},
    ],
    ids=str,
)
def test_a_state_that_cannot_be_is_refused(change, tmp_path):
    state = tmp_path / "run.safetensors"
    stopped(state)
    changed(state, change, {})
    with pytest.raises(MechprobeError, match=r"not a whole training state .* remove it"):
        train(PAIR, state_path=state)


@pytest.mark.parametrize("name", ["0/at/130", "2/flat", "other", "0/flat"])
def test_a_state_with_tensors_that_cannot_be_is_refused(name, tmp_path):
    state = tmp_path / "run.safetensors"
    stopped(state)
    with safe_open(state, framework="np") as file:
        flat = file.get_tensor("0/flat")
    changed(state, {}, {name: np.full_like(flat, np.nan if name == "0/flat" else 0.0)})
    with pytest.raises(MechprobeError, match="not a whole training state"):
        train(PAIR, state_path=state)


def test_a_single_bit_of_a_state_is_missed(tmp_path):
    """It would be another model in the end."""
    state = tmp_path / "run.safetensors"
    stopped(state)
    data = bytearray(state.read_bytes())
    data[-6] ^= 1  # in the last digits of a number
    state.write_bytes(bytes(data))
    with pytest.raises(MechprobeError, match="not a whole training state"):
        train(PAIR, state_path=state)


def test_a_state_of_earlier_versions_is_taken_up(tmp_path):
    """It holds no digest."""
    state = tmp_path / "run.safetensors"
    stopped(state)
    changed(state, {}, {})
    assert same(train(PAIR, state_path=state), train(PAIR))


DAMAGES = ["truncated", "empty", "text", "no weights", "no step", "bad shape", "other type"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_refused_in_one_line(damage, tmp_path):
    state = tmp_path / "run.safetensors"
    stopped(state)
    if damage == "truncated":
        state.write_bytes(state.read_bytes()[:-200])
    elif damage == "empty":
        state.write_bytes(b"")
    elif damage == "text":
        state.write_text("this is\nno state")
    else:
        with safe_open(state, framework="np") as file:
            meta, kept = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
        del meta["digest"]
        if damage == "no weights":
            del kept["1/flat"]
        elif damage == "no step":
            meta["steps"] = json.dumps([1000])
        elif damage == "bad shape":
            kept["0/first"] = kept["0/first"][:-1].copy()
        else:
            kept["0/second"] = kept["0/second"].astype("float64")
        save_file(kept, state, metadata=meta)
    before = state.read_bytes()
    with pytest.raises(MechprobeError, match="not a whole training state") as caught:
        train(PAIR, state_path=state)
    assert str(state) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert state.read_bytes() == before


BAD_PLANS = [
    {"steps": 0},
    {"steps": -5},
    {"batch": 0},
    {"lr": 0.0},
    {"lr": -1e-3},
    {"lr": 1.0},
    {"lr": float("nan")},
    {"lr": float("inf")},
]


@pytest.mark.parametrize("fields", BAD_PLANS, ids=str)
def test_impossible_plans_are_refused(fields):
    with pytest.raises(MechprobeError, match="steps and batch are at least 1"):
        TrainingPlan(**fields)


def test_an_unknown_schedule_is_refused():
    plan = TrainingPlan()
    object.__setattr__(plan, "schedule", "linear")  # past the tests' own check of types
    with pytest.raises(MechprobeError, match="schedule 'linear' is unknown; choose cosine or"):
        plan.__post_init__()


def test_nothing_to_train_and_bad_seeds_are_refused():
    with pytest.raises(MechprobeError, match="at least one model"):
        train([])
    for seed in (-1, 2**63):
        with pytest.raises(MechprobeError, match=f"seed {seed}: it lies between"):
            train([Trainee(TINY, seed, SHORT)])
    with pytest.raises(MechprobeError, match="snapshot after step 0: steps count from 1"):
        train(PAIR, snapshots=[0])


@pytest.mark.parametrize("device", ["cuda:77", "nonsense"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(MechprobeError, match=f"device '{device}' is not at hand") as caught:
        train(PAIR, device=device)
    assert len(str(caught.value).splitlines()) == 1
