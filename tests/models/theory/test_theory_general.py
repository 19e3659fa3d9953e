"""General attention theory: the known numbers at L = 2, derivatives, other shapes, bad input."""

import dataclasses

import pytest
import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.general.evolution import GeneralEvolution, GeneralProblem
from mechprobe.models.theory.general.iteration import fixed_point
from mechprobe.models.theory.general.prox import _derivatives, _objective, minimise, starts
from mechprobe.models.theory.general.solver import GeneralPoint, solve_general

PAPER = GeneralProblem(2.0, 0.3, 0.01, (0.5, 0.5), ((0.6, 0.4), (0.4, 0.6)))
THREE = GeneralProblem(
    2.0, 0.3, 0.01, (0.5, 0.4, 0.6), ((0.7, 0.2, 0.1), (0.3, 0.4, 0.3), (0.1, 0.2, 0.7))
)
FEW = 2**8


def random_problem(n: int, L: int, r: int) -> tuple[torch.Tensor, ...]:
    """Points x and w [n, L, r], stiffness [L, r, r], targets [n, L, L] and variances [L]."""
    g = torch.Generator().manual_seed(0)
    x, w = torch.randn(2, n, L, r, generator=g, dtype=torch.float64)
    half = torch.randn(L, r, r, generator=g, dtype=torch.float64)
    stiffness = half @ half.mT / 10 + 0.02 * torch.eye(r, dtype=torch.float64)
    target = torch.randn(n, L, L, generator=g, dtype=torch.float64).softmax(-1)
    return x, w, stiffness, target, torch.linspace(0.2, 0.5, L, dtype=torch.float64)


@pytest.mark.parametrize(
    ("alpha", "branch", "overlap", "gen_error"),
    [
        (2.0, "positional", 0.257, None),
        (2.0, "semantic", 0.633, 0.00140),
    ],
)
def test_two_tokens_rank_one_meet_the_known_numbers(alpha, branch, overlap, gen_error):
    point = solve_general(dataclasses.replace(PAPER, alpha=alpha), branch, points=2**10)
    own = point.overlaps.m[0] if branch == "positional" else point.overlaps.theta[0, 0]
    assert float(own) == pytest.approx(overlap, rel=0.03)
    assert gen_error is None or point.gen_error.value == pytest.approx(gen_error, rel=0.03)
    assert point.converged
    assert point.present
    assert not point.reason


@pytest.mark.parametrize(("L", "r"), [(2, 1), (3, 1), (2, 2), (3, 2)])
def test_derivatives_of_the_prox_are_those_of_its_objective(L, r):
    x, w, stiffness, target, s = random_problem(1, L, r)

    def objective(flat):
        return _objective(flat.view(1, L, r), w, stiffness, target, s).sum()

    gradient, newton, gauss = _derivatives(x, w, stiffness, target, s)
    assert torch.allclose(torch.func.grad(objective)(x.flatten()), gradient[0])
    assert torch.allclose(torch.autograd.functional.hessian(objective, x.flatten()), newton[0])
    assert torch.linalg.eigvalsh(gauss).min() > 0


def test_prox_finds_minima_no_worse_than_many_random_starts_do():
    _, w, stiffness, target, s = random_problem(300, 3, 1)
    y = torch.randn(300, 3, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = 0.7 * (y @ y.mT).softmax(-1) + 0.3 * target
    ends = minimise(starts(w, y, None), w, stiffness, target, s)
    assert _derivatives(ends, w, stiffness, target, s)[0].abs().max() < 1e-4
    g = torch.Generator().manual_seed(2)
    tries = 1.5 * torch.randn(40, 300, 3, 1, generator=g, dtype=torch.float64)
    best = minimise(tries, w, stiffness, target, s)
    excess = _objective(ends, w, stiffness, target, s) - _objective(best, w, stiffness, target, s)
    assert (excess > 1e-6).double().mean() < 0.02


@pytest.mark.parametrize("branch", ["positional", "semantic"])
def test_three_unequal_tokens(branch):
    point = solve_general(THREE, branch, points=FEW)
    assert point.converged
    assert point.present
    assert (point.overlaps.m.norm() > 0.3) == (branch == "positional")
    assert (point.overlaps.theta.norm() > 0.7) == (branch == "semantic")


@pytest.mark.parametrize(("rank", "teacher_rank"), [(2, 1), (2, 2), (1, 2)])
def test_other_ranks_converge(rank, teacher_rank):
    problem = dataclasses.replace(PAPER, rank=rank, teacher_rank=teacher_rank)
    point = solve_general(problem, "semantic", points=FEW, tol=1e-3)
    assert point.converged
    assert point.overlaps.theta.shape == (teacher_rank, rank)
    assert torch.linalg.eigvalsh(point.overlaps.R).min() > 0
    # A second direction of the student costs nothing and cannot raise the training loss.
    if teacher_rank == 1:
        single = solve_general(PAPER, "semantic", points=FEW, tol=1e-3)
        assert point.train_loss.value < single.train_loss.value


def test_nothing_is_left_to_measure_a_leap_by_where_all_dies_out():
    """So little data and so strong a weight decay leave overlaps that are rounding errors."""
    problem = dataclasses.replace(PAPER, alpha=1e-9, lam=1e9)
    point = solve_general(problem, "positional", points=2**6)
    assert not point.present
    assert "its overlap goes to zero" in point.reason


def test_fixed_point_is_stationary_and_the_loss_is_minus_the_free_entropy():
    problem = THREE
    evolution = GeneralEvolution(problem, "semantic", FEW, 0)
    found = fixed_point(evolution, evolution.initial(0.7), 1e-5, 100, lambda _: None)
    assert found.residual <= 1e-5
    (m, theta, R, chi), hats = found.overlaps, found.step.hats
    D = hats.V + problem.lam
    assert torch.allclose(1 / D, chi, rtol=1e-3)
    assert torch.allclose(theta @ D, hats.theta, rtol=1e-3)
    spread = hats.q + torch.outer(hats.m, hats.m) + hats.theta.mT @ hats.theta
    assert torch.allclose(D @ R @ D, spread, rtol=1e-3)
    spring = (chi @ hats.q).trace() / 2  # alpha E of the prox's quadratic part
    loss = found.step.train_loss - problem.lam / 2 * R.trace()
    entropy = (
        ((hats.V @ R).trace() - (hats.q @ chi).trace()) / 2
        - m @ hats.m
        - (theta.mT @ hats.theta).trace()
        + (torch.linalg.inv(D) @ spread).trace() / 2
        - (spring + loss)
    )
    assert float(-entropy) == pytest.approx(found.step.train_loss, rel=1e-3)


def test_same_seed_same_point_and_other_seed_within_the_error():
    def solved(seed: int) -> GeneralPoint:
        return solve_general(PAPER, "semantic", points=FEW, seed=seed)

    first, again, other = solved(0), solved(0), solved(1)
    assert torch.equal(first.overlaps.R, again.overlaps.R)
    assert first.gen_error == again.gen_error
    assert first.gen_error != other.gen_error
    assert torch.allclose(first.overlaps.theta, other.overlaps.theta, rtol=0.05)


def test_absent_branch_and_missing_convergence_are_said():
    absent = solve_general(dataclasses.replace(PAPER, omega=1.0), "semantic", points=64)
    assert not absent.present
    assert "semantic" in absent.reason
    ticks: list[int] = []
    hasty = solve_general(PAPER, "semantic", points=64, max_iterations=1, progress=ticks.append)
    assert not hasty.converged
    assert "self-consistent only to" in hasty.reason
    assert hasty.iterations == 2
    assert sum(ticks) > 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"lam": float("nan")}, "lam"),
        ({"omega": 1.5}, "omega"),
        ({"sigma": (0.5, -0.5)}, "sigma"),
        ({"sigma": (0.5,)}, "sigma"),
        ({"sigma": (0.5, 0.5, 0.5)}, "A="),
        ({"A": ((0.6, 0.5), (0.4, 0.6))}, "row 1"),
        ({"rank": 0}, "rank"),
        ({"teacher_rank": 40}, "64"),
    ],
)
def test_impossible_parameters(change, said):
    with pytest.raises(MechprobeError, match=said):
        dataclasses.replace(PAPER, **change)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"points": 1000}, "power of two"),
        ({"points": 32}, "power of two"),
        ({"seed": -1}, "seed"),
        ({"tol": 0.0}, "tol"),
        ({"max_iterations": 0}, "iteration"),
    ],
)
def test_impossible_options(options, said):
    with pytest.raises(MechprobeError, match=said):
        solve_general(PAPER, "semantic", **options)
