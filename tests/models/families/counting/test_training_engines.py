"""Both engines against the plain module, and every model as if it were trained alone."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mechprobe.models import CountingConfig, Trainee, TrainingPlan, train
from mechprobe.models.families.counting import Trained, Weights
from mechprobe.models.families.counting.training import constant, dot, kernel, state
from mechprobe.models.families.counting.training.core import CoreEngine
from mechprobe.models.families.counting.training.stack import StackEngine
from mechprobe.models.families.counting.training.state import Standing
from mechprobe.models.families.counting.weights import initial
from tests.models.families.counting.plain import (
    Exploding,
    distance,
    kinds,
    plain_training,
    same_bits,
)

KINDS = kinds(T=8, L=6, d=8, p=8)
ENGINES = {"core": CoreEngine, "stack": lambda: StackEngine("cpu", places=4)}
PLANS = {
    torch.float64: TrainingPlan(steps=200, batch=8),
    torch.float32: TrainingPlan(steps=200, batch=8, lr=1e-3, schedule="constant"),
}
# In float32 any two ways leave each other for good where rounding moves a neuron over its
# threshold: about one model in eighty at four times this size, the plain module in float32
# against itself in float64 as well. None of the models here does.
LIMITS = {torch.float64: 1e-12, torch.float32: 1e-5}


def trained(engine, trainees, dtype=torch.float32, stops=()) -> list[Trained]:
    """The trainees at their ends, after some halts on the way."""
    standings = [Standing.start(trainee, dtype) for trainee in trainees]
    for stop in (*stops, max(t.plan.steps for t in trainees)):
        engine.advance(standings, stop)
    return [standing.result() for standing in standings]


def sized(config: CountingConfig, d: int, p: int) -> CountingConfig:
    return config.model_copy(update={"d": d, "p": p})


def mixed(config: CountingConfig, plan: TrainingPlan) -> list[Trainee]:
    """Three models of other widths, which share a padded class."""
    widths = ((8, 8), (5, 12), (14, 3))
    return [Trainee(sized(config, d, p), seed, plan) for seed, (d, p) in enumerate(widths)]


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.architecture)
def test_both_engines_do_what_the_plain_module_does(config, dtype):
    """Three models of mixed widths in one stack of four places, 200 steps."""
    trainees = mixed(config, PLANS[dtype])
    wanted = [plain_training(trainee, dtype) for trainee in trainees]
    start = initial(trainees[0].config, torch.Generator().manual_seed(0))
    assert distance(wanted[0], {n: w.to(dtype) for n, w in start.items()}) > 0.05
    for name, engine in ENGINES.items():
        for found, plain in zip(trained(engine(), trainees, dtype), wanted, strict=True):
            assert found.weights["W_E"].dtype == dtype
            assert distance(found.weights, plain) < LIMITS[dtype], name


@pytest.mark.parametrize("engine", ENGINES)
def test_fixed_embeddings_stay_and_the_rest_learns(engine):
    """In one stack with trained ones, whose bits do not change; also where it is resumed."""
    plan = replace(PLANS[torch.float64], steps=110)
    for config in (KINDS[1], KINDS[4]):  # of either kind of step
        fixed = config.model_copy(update={"embeddings": "fixed"})
        trainees = [Trainee(c, 1, plan) for c in (config, fixed)]
        free, found = trained(ENGINES[engine](), trainees, torch.float64, stops=(70,))
        start = initial(fixed, torch.Generator().manual_seed(1))
        assert torch.equal(found.weights["W_E"], start["W_E"].double())
        assert start["W_E"].norm(dim=1).square().mean() == pytest.approx(1, abs=0.5)  # N(0, 1/d)
        assert distance(found.weights, plain_training(trainees[1], torch.float64)) < 1e-12
        alone = trained(ENGINES[engine](), trainees[:1], torch.float64)[0]
        assert same_bits(free.weights, alone.weights)


@pytest.mark.parametrize("sizes", [{"T": 3, "L": 7}, {"T": 2, "L": 2}, {"T": 40, "L": 15}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_odd_sizes_agree_too(engine, sizes):
    """Few tokens, one neuron, one sequence a batch, a last block that is cut."""
    plan = TrainingPlan(steps=130, batch=1)
    trainees = [Trainee(sized(c, 2, 1), 3, plan) for c in kinds(**sizes, d=8, p=8)]
    for trainee, found in zip(
        trainees, trained(ENGINES[engine](), trainees, torch.float64), strict=True
    ):
        plain = plain_training(trainee, torch.float64)
        assert distance(found.weights, plain) < 1e-12, trainee.config.architecture


def test_more_classes_than_needed_are_trained_too():
    config = CountingConfig(T=6, L=5, d=4, p=4, mixing="dot", softmax=True, bos=False, n_classes=9)
    trainee = Trainee(config, 0, TrainingPlan(steps=50, batch=4))
    for engine in ENGINES.values():
        (found,) = trained(engine(), [trainee], torch.float64)
        assert distance(found.weights, plain_training(trainee, torch.float64)) < 1e-12


def crowd() -> list[Trainee]:
    """Every kind, with other widths, lengths and batches."""
    plans = (TrainingPlan(steps=250, batch=8), TrainingPlan(steps=120, batch=5, lr=1e-2))
    return [Trainee(c, i, plans[i % 2]) for i, c in enumerate(KINDS)] + [
        Trainee(sized(KINDS[0], 20, 33), 7, plans[0]),
        Trainee(sized(KINDS[0], 11, 9), 7, plans[0]),
    ]


def test_companions_order_and_halts_do_not_matter():
    """The same bits alone, in a crowd, in the other order, and with halts within blocks."""
    models = crowd()
    alone = [trained(CoreEngine(), [one])[0].weights for one in models]
    for order in (models, models[::-1]):
        together = trained(CoreEngine(), order, stops=(1, 99, 137))
        for one, found in zip(order, together, strict=True):
            assert same_bits(found.weights, alone[models.index(one)]), one.config


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.architecture)
def test_companions_and_halts_do_not_matter_in_a_stack(config):
    """Nor do their widths. (In its place: rounding on a processor depends on alignment.)"""
    first, *others = mixed(config, TrainingPlan(steps=150, batch=8))
    (alone,) = trained(StackEngine("cpu", places=4), [first])
    for companions in (others, others[:1], [replace(first, seed=9)]):
        among, *_ = trained(StackEngine("cpu", places=4), [first, *companions], stops=(1, 120))
        assert same_bits(alone.weights, among.weights)


HASH = """
from mechprobe.models import train
from tests.models.families.counting.test_training_engines import crowd, digest
print(digest([one.weights for one in train(crowd()[::-1])][::-1]))
"""


def digest(found: list[Weights]) -> str:
    parts = [w.numpy().tobytes() for weights in found for w in weights.values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_another_process_finds_the_same_bits():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HASH], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest([one.weights for one in train(crowd())])


def test_snapshots_change_nothing():
    models = crowd()
    plain, looked = train(models), train(models, snapshots=[1, 50, 100, 249, 10**6])
    for a, b, trainee in zip(plain, looked, models, strict=True):
        assert same_bits(a.weights, b.weights)
        assert a.snapshots == {}
        assert list(b.snapshots) == [s for s in (1, 50, 100, 249) if s <= trainee.plan.steps]


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.architecture)
def test_a_snapshot_is_where_a_shorter_training_ends(config):
    """With a constant rate; the last one is the end."""
    plan = TrainingPlan(steps=300, batch=8, lr=1e-2, schedule="constant")
    (long,) = train([Trainee(config, 2, plan)], snapshots=[100, 200, 300])
    for steps in (100, 200):
        (short,) = train([Trainee(config, 2, replace(plan, steps=steps))])
        assert same_bits(long.snapshots[steps], short.weights)
    assert same_bits(long.snapshots[300], long.weights)
    assert not same_bits(long.snapshots[200], long.weights)


def test_padding_stays_exactly_zero():
    for config in KINDS:
        engine = StackEngine("cpu", places=4)
        standings = [
            Standing.start(trainee, torch.float32)
            for trainee in mixed(config, TrainingPlan(steps=120, batch=8, lr=1e-2))
        ]
        engine.advance(standings, 120)
        (stack,) = engine._stacks
        for i, standing in enumerate(standings):
            # Ones where the model has a weight, as the stack would hold them.
            own = stack.padded.stacked([np.ones_like(s.flat) for s in stack.filled])[i]
            assert 0 < own.sum() < own.numel()
            for held in (stack.flat, stack.first, stack.second):
                assert (held[i][own == 0] == 0).all(), config.architecture
            assert own.sum() == standing.flat.size


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("config", KINDS[::3], ids=lambda c: c.architecture)
@pytest.mark.parametrize("engine", ENGINES)
def test_one_that_diverges_harms_no_other(engine, config, lost):
    """Its step is recorded, it stays as it was last kept, and the others' bits are the same."""
    plan = TrainingPlan(steps=230, batch=4, lr=1e-2)
    models = mixed(config, plan)
    spoilt = [
        replace(t, plan=Exploding(**vars(plan))) if i == lost else t for i, t in enumerate(models)
    ]
    wanted = trained(ENGINES[engine](), models)
    found = trained(ENGINES[engine](), spoilt)
    for i, (a, b) in enumerate(zip(wanted, found, strict=True)):
        if i != lost:
            assert b.diverged_at is None
            assert same_bits(a.weights, b.weights)
    assert found[lost].diverged_at == 151
    kept = [Standing.start(one, torch.float32) for one in spoilt]
    ENGINES[engine]().advance(kept, 100)
    assert same_bits(found[lost].weights, kept[lost].result().weights)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_that_starts_infinite_diverges_at_once(engine, monkeypatch):
    """Whatever a first weight is, the others learn, and it has no snapshot."""

    def spoilt(config, generator):
        weights = initial(config, generator)
        if generator.initial_seed() == 1:
            weights["W_E"][0, 0] = float("inf")
        return weights

    monkeypatch.setattr(state, "initial", spoilt)
    for config in KINDS:
        found = trained(ENGINES[engine](), mixed(config, TrainingPlan(steps=120, batch=32)))
        assert [one.diverged_at for one in found] == [None, 0, None], config.architecture
        assert all(w.isfinite().all() for one in found[::2] for w in one.weights.values())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_diverged_is_left_alone_afterwards(engine):
    """Later halts neither move it nor start it again."""
    plan = TrainingPlan(steps=400, batch=4)
    models = mixed(KINDS[3], plan)
    models[0] = replace(models[0], plan=Exploding(**vars(plan)))
    once = trained(ENGINES[engine](), models)
    halting = trained(ENGINES[engine](), models, stops=(200, 300, 350))
    for a, b in zip(once, halting, strict=True):
        assert a.diverged_at == b.diverged_at
        assert same_bits(a.weights, b.weights)
    assert once[0].diverged_at == 151


@pytest.mark.parametrize("halts", [(149, 150), (151,), (152, 160), (30, 120, 151, 152)])
@pytest.mark.parametrize("engine", ENGINES)
def test_halts_do_not_change_what_a_divergence_leaves(engine, halts):
    """The step that spoilt it and the weights it is set back to, wherever one looks in between."""
    plan = Exploding(steps=230, batch=4, lr=1e-2)
    models = mixed(KINDS[0], plan)
    wanted = trained(ENGINES[engine](), models)
    stopping = [Standing.start(one, torch.float32) for one in models]
    same = ENGINES[engine]()
    for stop in (*halts, 230):
        same.advance(stopping, stop)
    for a, b in zip(wanted, stopping, strict=True):
        assert a.diverged_at == b.diverged_at is not None
        assert same_bits(a.weights, b.result().weights)


def test_compiled_anew_or_loaded_from_the_cache_the_bits_are_the_same(tmp_path):
    """A first process compiles, a second one loads what it compiled; sizes that are vectorised."""
    script = (
        "import hashlib\n"
        "from mechprobe.models import CountingConfig, Trainee, TrainingPlan, train\n"
        "config = CountingConfig.of('bos+sftm', T=32, L=10, d=32, p=32)\n"
        "(one,) = train([Trainee(config, 0, TrainingPlan(steps=60, batch=32))])\n"
        "data = b''.join(w.numpy().tobytes() for w in one.weights.values())\n"
        "print(hashlib.sha256(data).hexdigest())\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    cold, warm = (
        subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    )
    assert list(tmp_path.rglob("*.nbc"))
    assert cold == warm != ""


def test_compiled_steps_know_the_files_they_inline():
    """numba's cache key holds what a function closes over: the digest of the inlined sources."""
    for steps in (dot.dot_steps, constant.constant_steps):
        closed = [cell.cell_contents for cell in steps.py_func.__closure__]
        assert kernel.inlined_sources() in closed
