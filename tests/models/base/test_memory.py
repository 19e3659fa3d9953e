"""What does not fit into memory is said before the work begins."""

import pytest

from mechprobe.models import CountingConfig, MechprobeError, Trainee, TrainingPlan, train
from mechprobe.models.base import memory
from mechprobe.models.families.counting.training.cost import training_bytes, weight_bytes
from mechprobe.models.theory.general.evolution import GeneralProblem
from mechprobe.models.theory.general.solver import solve_general


def test_this_machine_has_some() -> None:
    """Between 256 MiB and a petabyte."""
    assert 2**28 < memory.memory() < 2**50


def test_training_is_refused_by_its_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """T^2 scores twice, whatever d and p: 100,000 tokens are 75 GiB."""
    monkeypatch.setattr(memory, "memory", lambda: 8 * 2**30)
    config = CountingConfig.of("dot", T=100_000, L=3, d=2, p=1)
    with pytest.raises(MechprobeError, match=r"T=100000.* takes about 74.* GiB .* has 8\.0"):
        train([Trainee(config, 0, TrainingPlan(steps=1, batch=1))])


def test_many_models_are_kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, gradient and moments of each."""
    config, plan = CountingConfig.of("dot", T=4, L=3, d=4, p=4), TrainingPlan(steps=1, batch=1)
    room = int(training_bytes(config, 1) + 4 * 10 * weight_bytes(config))
    monkeypatch.setattr(memory, "memory", lambda: room)
    train([Trainee(config, seed, plan) for seed in range(10)])
    with pytest.raises(MechprobeError, match="11 models takes"):
        train([Trainee(config, seed, plan) for seed in range(11)])


def test_points_of_the_theory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curvature at each of 2^20 points is a matrix of 32 x 32."""
    monkeypatch.setattr(memory, "memory", lambda: 8 * 2**30)
    even = ((0.25,) * 4,) * 4
    problem = GeneralProblem(1.0, 0.3, 0.01, (0.5,) * 4, even, rank=8, teacher_rank=8)
    with pytest.raises(MechprobeError, match="1,048,576 points"):
        solve_general(problem, "semantic", points=2**20)
