"""The theory against brute force, its own identities, and the numbers it has to meet."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from mechprobe.models import MechprobeError
from mechprobe.models.theory import (
    BRANCHES,
    Branch,
    BranchNotFoundError,
    BranchPoint,
    Evolution,
    NotConvergedError,
    TheoryParameters,
    branches,
    fixed_point,
    linear_mse,
    solve,
    transitions,
)
from mechprobe.models.theory.prox import outputs, search

S2 = 0.25
SECOND = ((0.3, 0.7), (0.8, 0.2))  # the other mixing matrix of the paper
FIELD = st.floats(-1.2, 1.2)
SHARE = st.floats(0.02, 0.98)
STIFF = st.floats(0.02, 0.5)  # 1/V of every branch between alpha 0.1 and 4


@cache
def point(
    alpha: float,
    branch: Branch,
    log2: int = 13,
    seed: int = 0,
    omega: float = 0.3,
) -> BranchPoint:
    """A solved point, once for all tests."""
    return solve(TheoryParameters(alpha, omega), branch, log2_points=log2, seed=seed)


def loss(u, v, t1, t2):
    """sigma^2 [(S11 - t1)^2 + (S22 - t2)^2]."""
    one, two = 1 / (1 + np.exp(-u * (u + v))), 1 / (1 + np.exp(-u * (u - v)))
    return S2 * ((one - t1) ** 2 + (two - t2) ** 2)


def energy(u, v, wu, wv, stiff, t1, t2):
    """What the prox minimises."""
    return stiff * ((u - wu) ** 2 + (v - wv) ** 2) / 2 + loss(u, v, t1, t2)


@given(FIELD, FIELD, STIFF, SHARE, SHARE)
@settings(max_examples=60)
def test_prox_is_the_least_of_a_grid_and_of_scipy(wu, wv, stiff, t1, t2):
    """Nothing on a fine grid, nor what scipy makes of the grid's best, is lower."""
    u, v, f, _, _, second, _ = search(wu, wv, stiff, S2, t1, t2)
    assert f == pytest.approx(energy(u, v, wu, wv, stiff, t1, t2), abs=1e-13)
    assert second >= f
    axis = np.linspace(-4, 4, 321)
    U, W = np.meshgrid(axis, axis, indexing="ij")
    values = energy(U, W, wu, wv, stiff, t1, t2)
    i, j = np.unravel_index(values.argmin(), values.shape)
    best = minimize(
        lambda x: energy(*x, wu, wv, stiff, t1, t2), [axis[i], axis[j]], options={"gtol": 1e-9}
    )
    assert f <= values.min()
    assert f == pytest.approx(best.fun, abs=1e-10)


def test_prox_finds_both_valleys():
    """A field close to zero may go either way; mirrored, the deeper valley is the other one."""
    one, other = (search(wu, 0.0, 0.05, S2, 0.7, 0.7) for wu in (0.01, -0.01))
    for found in (one, other):
        assert math.isfinite(found[5])
        assert found[2] < found[5] < found[2] + 1e-2
    assert one[0] == pytest.approx(-other[0], abs=1e-6)
    assert one[0] > 0.3
    assert one[0] == pytest.approx(-one[3], rel=0.05)


@given(st.floats(0.2, 1.2), FIELD, STIFF, SHARE, SHARE)
def test_slope_of_the_minimum_is_the_pull_of_the_spring(wu, wv, stiff, t1, t2):
    """d min / dw = (w - x) / V, and `outputs` gives g = (x - w) / V with its divergence."""
    width = 1e-5

    def least(du: float, dv: float) -> tuple[float, float, float]:
        u, v, f, *_ = search(wu + du, wv + dv, stiff, S2, t1, t2)
        return u, v, f

    u, v, _ = least(0, 0)
    ends = [least(width, 0), least(-width, 0), least(0, width), least(0, -width)]
    if max(math.hypot(a - u, b - v) for a, b, _ in ends) > 1e-2:
        return  # across a jump there is no slope
    g, divergence, _ = outputs(np.array([[wu, wv]]), np.array([[t1, t2]]), 1 / stiff, S2)
    assert g[0] == pytest.approx([(u - wu) * stiff, (v - wv) * stiff], abs=1e-12)
    assert (ends[0][2] - ends[1][2]) / (2 * width) == pytest.approx(-g[0, 0], abs=1e-6)
    assert (ends[2][2] - ends[3][2]) / (2 * width) == pytest.approx(-g[0, 1], abs=1e-6)
    spread = (ends[0][0] - ends[1][0] + ends[2][1] - ends[3][1]) / (2 * width)
    assert divergence[0] == pytest.approx(stiff * (spread - 2), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("alpha", "m", "theta", "gen_error"),
    [
        (0.673, 0.235, None, None),
        (1.005, 0.248, 0.381, 0.00284),
        (1.254, 0.252, 0.472, 0.00234),
        (2.0, 0.257, 0.633, 0.00140),
    ],
)
def test_numbers_to_meet(alpha, m, theta, gen_error):
    """Independent solution of the same equations, omega = 0.3: within 1 %."""
    assert point(alpha, "positional", 14).m.value == pytest.approx(m, rel=0.01)
    if theta is not None:
        found = point(alpha, "semantic", 15)
        assert found.theta.value / S2 == pytest.approx(theta, rel=0.01)
        assert found.gen_error.value == pytest.approx(gen_error, rel=0.01)


def test_theta_at_the_published_transition():
    """alpha = 1.24, 2^16 points, table convention."""
    found = point(1.24, "semantic", 16)
    assert found.theta.value == pytest.approx(0.1171, abs=3e-4)
    assert found.theta.error < 3e-4
    assert found.points == 2**16


def test_linear_baseline():
    """2 sigma^2 (Var t1 + Var t2); nothing varies where the target is A alone."""
    assert linear_mse(TheoryParameters(1.0)) == pytest.approx(0.0039428, rel=5e-4)
    assert linear_mse(TheoryParameters(1.0, omega=1.0)) == 0.0


@pytest.mark.parametrize("branch", BRANCHES)
def test_solution_is_self_consistent(branch):
    """One more step from the solution on one set, all proxes searched anew, changes nothing."""
    found = point(1.3, branch)
    assert found.residual <= 1e-6
    p = found.parameters
    one = fixed_point.newton(Evolution(p, 13, 0), branch, found.state, exact=True).state
    again = Evolution(p, 13, 0).step(one, fresh=True).state
    free = list(fixed_point.FREE[branch])
    assert again[free] == pytest.approx(one[free], rel=1e-6, abs=1e-6)
    assert found.state == pytest.approx(one, rel=0.02, abs=1e-9)


@pytest.mark.parametrize("branch", BRANCHES)
def test_training_loss_is_fit_and_ridge(branch):
    """-Phi = alpha E[loss at the prox] + lam/2 |Q|^2/d: what training minimises, by hand."""
    p = TheoryParameters(1.3)
    found = fixed_point.newton(Evolution(p, 12, 0), branch, point(1.3, branch).state, exact=True)
    q, m, theta, V = found.state
    total = 0.0
    points = Evolution(p, 12, 0).points
    for xi_u, xi_v, eta_u, eta_v in points:
        own = math.sqrt(S2 - theta**2 / q)
        yu, yv = (
            own * eta_u + theta / math.sqrt(q) * xi_u,
            own * eta_v + theta / math.sqrt(q) * xi_v,
        )
        t = [0.7 / (1 + math.exp(-yu * (yu + sign * yv))) + 0.3 * 0.6 for sign in (1, -1)]
        wu, wv = math.sqrt(q) * xi_u + math.sqrt(2) * m, math.sqrt(q) * xi_v
        u, v, *_ = search(wu, wv, 1 / V, S2, *t)
        total += loss(u, v, *t)
    by_hand = 1.3 * total / len(points) + 0.01 / 2 * q / S2
    assert found.step.energy == pytest.approx(by_hand, rel=1e-3)


@pytest.mark.parametrize(("branch", "own"), [("semantic", "theta"), ("positional", "m")])
def test_the_second_point_set_tells_the_error(branch, own):
    """Deviations from 2^16 points are of the size stated, over a few scramblings."""
    exact = point(1.254, branch, 16)
    for name in (own, "mse", "train_loss"):
        away, stated = [], []
        for seed in range(1, 6):
            found = getattr(point(1.254, branch, 11, seed), name)
            away.append(found.value - getattr(exact, name).value)
            stated.append(found.error)
        assert np.square(away).mean() < 4 * np.square(stated).mean(), name


def test_pinned_overlaps_are_zero_and_conjugates_fit():
    """D = lam + sigma^2 Vhat, V = sigma^2 / D, theta = sigma^4 thetahat / D and m = mhat / D."""
    for branch in BRANCHES:
        found = point(1.3, branch)
        D = 0.01 + S2 * found.Vhat.value
        assert (found.m.value > 0) == (branch == "positional")
        assert (found.theta.value > 0) == (branch == "semantic")
        assert found.V.value == pytest.approx(S2 / D, rel=1e-3)
        assert found.m.value == pytest.approx(found.mhat.value / D, rel=1e-3)
        assert found.theta.value == pytest.approx(S2**2 * found.thetahat.value / D, rel=1e-3)
        assert found.gen_error.value == found.mse.value / 2


def test_stability():
    """At omega = 0.3 m grows on the semantic branch below alpha of about 0.80."""
    assert point(0.76, "semantic", 14).multipliers["m"] > 1
    assert not point(0.76, "semantic", 14).stable
    assert point(0.86, "semantic", 14).stable
    assert point(1.3, "positional").stable


def test_onset_of_the_positional_branch():
    """m sets in where the uninformed branch becomes unstable to it, near alpha = 0.057."""
    assert point(0.05, "uninformed", 15).multipliers["m"] < 1
    assert point(0.065, "uninformed", 15).multipliers["m"] > 1
    assert point(0.09, "positional").m.value > 0.03
    with pytest.raises(BranchNotFoundError, match="positional branch was not found"):
        point(0.04, "positional", 10)


@pytest.mark.parametrize("number", [0, 1])
def test_a_finite_point_set_pulls_no_overlap_from_zero(number):
    """Without m and theta none arises, and both are odd: no bias is taken for a branch."""
    evolution = Evolution(TheoryParameters(0.6), 10, number)
    q, _, _, V = point(0.6, "uninformed", 10).state
    still = evolution.step(np.array([q, 0.0, 0.0, V])).state
    assert still[1:3] == pytest.approx([0, 0], abs=1e-12)
    for i in (1, 2):
        ends = []
        for sign in (1, -1):
            state = np.array([q, 0.0, 0.0, V])
            state[i] = 0.02 * sign
            ends.append(evolution.step(state, fresh=True).state[i])
        assert ends[0] == pytest.approx(-ends[1], rel=1e-6)
    with pytest.raises(BranchNotFoundError):
        point(0.5, "semantic", 11)


def test_absent_semantic_branch():
    """Too few samples, or a target without semantics."""
    with pytest.raises(
        BranchNotFoundError, match=r"alpha=0.4, omega=0.3.*semantic branch was not found"
    ):
        point(0.4, "semantic", 10)
    with pytest.raises(BranchNotFoundError, match="omega=1"):
        point(1.0, "semantic", 10, omega=1.0)


def test_no_solution_is_said(monkeypatch):
    """Self-consistency that is not reached is an error; the spare set is tried before."""
    tried = []

    class Watched(Evolution):
        def __init__(self, parameters, log2, seed):
            tried.append(seed)
            super().__init__(parameters, log2, seed)

    monkeypatch.setattr(branches, "Evolution", Watched)
    monkeypatch.setattr(fixed_point, "TOLERANCE", 1e-30)
    with pytest.raises(NotConvergedError, match="self-consistent only to"):
        solve(TheoryParameters(1.5), "semantic", log2_points=8)
    assert tried[-2:] == [0, branches.SPARE]


def test_general_mixing():
    """The paper's second example: no attention can mix below one half by position alone, so that
    there is no positional branch; exchanging the tokens changes nothing."""
    p = TheoryParameters(1.5, A=SECOND)
    one = solve(p, "semantic", log2_points=13)
    other = solve(TheoryParameters(1.5, A=((0.2, 0.8), (0.7, 0.3))), "semantic", log2_points=13)
    for name in ("theta", "q", "mse", "train_loss"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.value == pytest.approx(b.value, abs=4 * (a.error + b.error), rel=1e-3), name
    assert one.mse.value > 1.2 * point(1.5, "semantic").mse.value
    with pytest.raises(BranchNotFoundError):
        solve(p, "positional", log2_points=10)


def test_transitions():
    """omega = 0.3, fewer points than the default: 1.2515 and 1.492, semantic from about 0.72."""
    stages: list[str] = []
    found = transitions(
        TheoryParameters(1.0), log2_points=13, span=(0.4, 2.0), progress=stages.append
    )
    assert found.alpha_c is not None
    assert found.alpha_l is not None
    assert found.alpha_c.value == pytest.approx(1.2515, abs=0.01)
    assert found.alpha_l.value == pytest.approx(1.492, abs=0.015)
    start = found.appears["semantic"]
    assert start is not None
    assert start.value == pytest.approx(0.72, abs=0.02)
    assert found.appears["positional"] is None
    assert found.vanishes == {"semantic": None, "positional": None}
    assert found.notes == []
    assert len(stages) == 6


def test_result_depends_on_nothing_but_its_arguments():
    """The same call gives the same numbers, after others as well; another seed gives others."""
    p = TheoryParameters(1.7)
    first, again, other = (
        solve(p, "semantic", log2_points=10, seed=seed).theta.value for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"alpha": 0.0}, "alpha=0.0: a finite number above 0"),
        ({"alpha": math.nan}, "alpha=nan"),
        ({"alpha": 1e300}, "between 1e-9 and 1e9"),
        ({"sigma": -1.0}, "sigma=-1.0"),
        ({"lam": 0.0}, "lam=0.0"),
        ({"omega": 1.1}, "omega=1.1: a weight between 0 and 1"),
        ({"A": ((0.6, 0.4),)}, "2 rows of 2 weights"),
        ({"A": ((0.6, 0.5), (0.4, 0.6))}, "row 1"),
        ({"A": ((0.6, 0.4), (-0.4, 1.4))}, "row 2"),
    ],
)
def test_impossible_parameters(arguments, says):
    """One clear line."""
    with pytest.raises(MechprobeError, match=says) as caught:
        TheoryParameters(**({"alpha": 1.0} | arguments))
    assert "\n" not in str(caught.value)


def test_unknown_branch_and_points():
    """Named, with what is possible."""
    with pytest.raises(MechprobeError, match="between 2\\^8 and 2\\^22"):
        solve(TheoryParameters(1.0), "semantic", log2_points=7)
