"""Training: it learns, is deterministic, and goes on where it was stopped."""

import importlib
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from models import CountingConfig, HookedTransformer, MechprobeError, TrainingPlan, train
from models.counting import Weights, initial

TINY = CountingConfig.of("dot", T=6, L=5, d=8, p=8)
SHORT = TrainingPlan(steps=230, batch=4, lr=3e-3)


class Stopped(Exception):  # noqa: N818
    """What a user who interrupts the run raises."""


def stop_after(chunks: int):
    """A progress callback that interrupts after some chunks."""
    seen = []

    def progress(steps: int) -> None:
        seen.append(steps)
        if len(seen) == chunks:
            raise Stopped

    return progress


def identical(a: list[Weights], b: list[Weights]) -> bool:
    return len(a) == len(b) and all(
        x.keys() == y.keys() and all(torch.equal(x[n], y[n]) for n in x)
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
    (trained,) = train(TINY, [0], plan)
    start = initial(TINY, torch.Generator().manual_seed(0))
    loss_before, accuracy_before, chance = scores(TINY, start)
    loss, accuracy, _ = scores(TINY, trained)
    assert accuracy_before < chance + 0.15
    assert loss < 0.5 * loss_before
    assert accuracy > chance + 0.3


@pytest.mark.parametrize("kind", ["bos+sftm", "lin+sftm", "bos", "lin"])
def test_loss_falls_in_the_other_kinds_too(kind):
    config = CountingConfig.of(kind, T=6, L=5, d=8, p=8)
    (trained,) = train(config, [1], TrainingPlan(steps=300, batch=16, lr=1e-2))
    before = scores(config, initial(config, torch.Generator().manual_seed(1)))
    assert scores(config, trained)[0] < before[0]


def test_training_is_deterministic_and_seeds_matter():
    first, again = (train(TINY, [4, 5], SHORT) for _ in range(2))
    assert identical(first, again)
    assert not torch.allclose(first[0]["W_in"], first[1]["W_in"], atol=1e-3)


def test_companions_in_the_stack_do_not_matter():
    """Same seeds, other neighbours: the same model up to rounding."""
    alone = train(TINY, [4], SHORT)[0]
    among = train(TINY, [9, 4, 11], SHORT)[1]
    for name, weight in alone.items():
        torch.testing.assert_close(weight, among[name], rtol=1e-3, atol=1e-4, msg=name)


def test_the_first_step_is_the_published_optimisers():
    """One step of Adam by hand, gradient of the mean cross-entropy over one model's positions."""
    plan = TrainingPlan(steps=1, batch=3, lr=1e-3)
    generator = torch.Generator().manual_seed(7)
    weights = {n: w.requires_grad_() for n, w in initial(TINY, generator).items()}
    model = HookedTransformer(TINY, weights)
    model(TINY.task().sample(3, generator), return_type="loss").backward()
    gradients = {
        "W_in": model.blocks[0].mlp.W_in.grad,
        "b_out": model.blocks[0].mlp.b_out.grad,
        "W_E": model.embed.W_E.grad,
        "W_Q": model.blocks[0].attn.W_Q.grad[0],
    }
    (trained, _) = train(TINY, [7, 8], plan)
    for name, gradient in gradients.items():
        # Bias-corrected moments of a first step are the gradient and its square.
        step = 1e-3 * gradient / (gradient.abs() + 1e-9)
        torch.testing.assert_close(
            trained[name], weights[name].detach() - step, rtol=1e-4, atol=1e-5, msg=name
        )


def test_progress_adds_up_to_the_steps():
    seen: list[int] = []
    train(TINY, [0], SHORT, progress=seen.append)
    assert seen == [100, 100, 30]


def test_the_rate_warms_up_and_decays():
    plan = TrainingPlan(steps=1000, batch=1, lr=0.1)
    rates = [plan.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) in (49, 50)
    assert all(a >= b for a, b in pairwise(rates[50:]))
    assert 0 < rates[-1] < 1e-5


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_stopped_run_goes_on_to_the_same_weights(chunks, tmp_path):
    state = tmp_path / "states" / "run.pt"
    whole = train(TINY, [4, 5], SHORT)
    with pytest.raises(Stopped):
        train(TINY, [4, 5], SHORT, progress=stop_after(chunks), state_path=state)
    assert state.is_file()
    seen: list[int] = []
    resumed = train(TINY, [4, 5], SHORT, progress=seen.append, state_path=state)
    assert seen[0] == 100 * chunks
    assert sum(seen) == 230
    assert identical(resumed, whole)
    assert list(tmp_path.rglob("*")) == [tmp_path / "states"]


def test_a_run_may_be_stopped_more_than_once(tmp_path):
    state = tmp_path / "run.pt"
    with pytest.raises(Stopped):
        train(TINY, [3], SHORT, progress=stop_after(1), state_path=state)
    # The first report of a resumed run is what was done before.
    with pytest.raises(Stopped):
        train(TINY, [3], SHORT, progress=stop_after(2), state_path=state)
    assert identical(train(TINY, [3], SHORT, state_path=state), train(TINY, [3], SHORT))
    assert not state.exists()


def stopped(state: Path) -> None:
    with pytest.raises(Stopped):
        train(TINY, [4, 5], SHORT, progress=stop_after(1), state_path=state)


@pytest.mark.parametrize("change", ["seeds", "plan", "shape"])
def test_the_state_of_another_run_is_refused(change, tmp_path):
    state = tmp_path / "run.pt"
    stopped(state)
    before = state.read_bytes()
    config = CountingConfig.of("dot", T=6, L=5, d=8, p=9) if change == "shape" else TINY
    seeds = [4, 6] if change == "seeds" else [4, 5]
    plan = TrainingPlan(steps=230, batch=4, lr=2e-3) if change == "plan" else SHORT
    with pytest.raises(MechprobeError, match="state of another training run") as caught:
        train(config, seeds, plan, state_path=state)
    assert str(state) in str(caught.value)
    assert state.read_bytes() == before


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "text", "list", "no weights", "bad shape", "bad generator"]
)
def test_a_damaged_state_is_refused_in_one_line(damage, tmp_path):
    state = tmp_path / "run.pt"
    stopped(state)
    if damage == "truncated":
        state.write_bytes(state.read_bytes()[:-200])
    elif damage == "empty":
        state.write_bytes(b"")
    elif damage == "text":
        state.write_text("this is\nno state")
    elif damage == "list":
        torch.save([1, 2], state)
    else:
        kept = torch.load(state, weights_only=True)
        if damage == "no weights":
            del kept["weights"]
        elif damage == "bad shape":
            kept["weights"]["W_E"] = torch.zeros(3, 3)
        else:
            kept["generators"][0] = torch.zeros(3, dtype=torch.uint8)
        torch.save(kept, state)
    before = state.read_bytes()
    with pytest.raises(MechprobeError, match="not a whole training state") as caught:
        train(TINY, [4, 5], SHORT, state_path=state)
    assert str(state) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert state.read_bytes() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 0},
        {"steps": -5},
        {"batch": 0},
        {"lr": 0.0},
        {"lr": -1e-3},
        {"lr": 1.0},
        {"lr": float("nan")},
        {"lr": float("inf")},
    ],
    ids=str,
)
def test_impossible_plans_are_refused(fields):
    with pytest.raises(MechprobeError, match="steps and batch are at least 1"):
        TrainingPlan(**fields)


def test_no_seeds_are_refused():
    with pytest.raises(MechprobeError, match="at least one seed"):
        train(TINY, [], SHORT)


def test_divergence_is_told(monkeypatch):
    """Weights that are no numbers are never handed back."""
    spoilt = initial(TINY, torch.Generator().manual_seed(2))
    spoilt["W_E"][0, 0] = float("inf")
    # The package gives the function of this name; the module is meant.
    module = importlib.import_module("models.counting.training")
    monkeypatch.setattr(module, "initial", lambda config, generator: spoilt)
    with pytest.raises(MechprobeError, match="seed=2 diverged; use a smaller learning rate"):
        train(TINY, [2], TrainingPlan(steps=5, batch=8))
