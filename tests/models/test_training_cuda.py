"""A CUDA device against the plain module and itself; skipped where there is none."""

from dataclasses import replace

import pytest
import torch

from mechprobe.models import Trainee, TrainingPlan, train
from mechprobe.models.families.counting.training.core import CoreEngine
from mechprobe.models.families.counting.training.stack import StackEngine
from mechprobe.models.families.counting.training.state import Standing
from tests.models.families.counting.plain import (
    Exploding,
    distance,
    kinds,
    plain_training,
    same_bits,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

KINDS = kinds(T=8, L=6, d=8, p=8)
# As in test_training_engines.py, where the float32 limit is explained.
PLANS = {
    "float64": TrainingPlan(steps=200, batch=8),
    "float32": TrainingPlan(steps=200, batch=8, lr=1e-3, schedule="constant"),
}
LIMITS = {"float64": 1e-12, "float32": 1e-5}


def mixed(plan: TrainingPlan) -> list[Trainee]:
    """Every kind in three widths; a kind's models share a stack."""
    widths = ((8, 8), (5, 12), (14, 3))
    return [
        Trainee(config.model_copy(update={"d": d, "p": p}), seed, plan)
        for config in KINDS
        for seed, (d, p) in enumerate(widths)
    ]


@pytest.mark.parametrize("precision", LIMITS)
def test_the_device_does_what_a_core_and_the_plain_module_do(precision):
    models = mixed(PLANS[precision])
    device = train(models, device="cuda", precision=precision)
    core = train(models, precision=precision)
    for model, a, b in zip(models, device, core, strict=True):
        name = model.config.architecture
        assert distance(a.weights, b.weights) < 2 * LIMITS[precision], name
        plain = plain_training(model, getattr(torch, precision))
        assert distance(a.weights, plain) < LIMITS[precision], name


def test_the_same_bits_twice_and_with_any_companions_in_any_order():
    plan = TrainingPlan(steps=250, batch=8)
    models = mixed(plan)
    first, again = (train(models, device="cuda") for _ in range(2))
    backwards = train(models[::-1], device="cuda", snapshots=[77, 99])[::-1]
    few = [*models[2::3], *(replace(model, seed=50 + i) for i, model in enumerate(models))]
    among = train(few, device="cuda")
    for i, (model, one) in enumerate(zip(models, first, strict=True)):
        name = model.config.architecture
        assert same_bits(one.weights, again[i].weights), name
        assert same_bits(one.weights, backwards[i].weights), name
        if i % 3 == 2:
            assert same_bits(one.weights, among[i // 3].weights), name


def test_one_that_diverges_harms_no_other_on_a_device():
    plan = TrainingPlan(steps=230, batch=4, lr=1e-2)
    models = mixed(plan)
    spoilt = [
        replace(model, plan=Exploding(**vars(plan))) if i % 3 == 1 else model
        for i, model in enumerate(models)
    ]
    wanted, found = (train(some, device="cuda") for some in (models, spoilt))
    for i, (a, b) in enumerate(zip(wanted, found, strict=True)):
        assert b.diverged_at == (151 if i % 3 == 1 else None)
        assert all(w.isfinite().all() for w in b.weights.values())
        assert i % 3 == 1 or same_bits(a.weights, b.weights)


@pytest.mark.parametrize("start", [1, 97, 98, 99])
def test_a_graph_may_be_recorded_anywhere_in_a_block(start):
    """Its trial runs neither leave a trace nor read past the block's data."""
    model = Trainee(KINDS[3], 0, TrainingPlan(steps=200, batch=8))
    here, there = (Standing.start(model, torch.float64) for _ in range(2))
    CoreEngine().advance([here], start)
    StackEngine("cuda", places=4).advance([here], 200)
    CoreEngine().advance([there], 200)
    a, b = here.result(), there.result()
    assert a.diverged_at is None
    assert distance(a.weights, b.weights) < 1e-12
