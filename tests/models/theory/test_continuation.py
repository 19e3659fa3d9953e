"""Branches that rough starts miss: followed from a larger ridge, compared between point sets."""

import dataclasses

import numpy as np
import pytest

from mechprobe.analyses.bench.ridgeless import Measured, expected, minima, off, without_width
from mechprobe.models import MechprobeError
from mechprobe.models.theory import (
    BranchNotFoundError,
    NotConvergedError,
    PointSetsDisagreeError,
    TheoryParameters,
    branches,
    follow,
    search,
    solve,
)
from mechprobe.models.theory.fixed_point import newton
from mechprobe.models.theory.parameters import between, distance

S2 = 0.25
HERE = TheoryParameters(1.2)  # omega .3, sigma .5, lam .01


@pytest.mark.parametrize(
    ("lam", "log2_points", "theta", "within"),
    [
        # Starts lead nowhere here, to theta = .40 (unstable), and on few points to .137 (stable).
        (5e-5, 12, 0.862, 0.01),
        (7.5e-5, 12, 0.859, 0.01),
        (1e-4, 8, 0.857, 0.04),
        (1e-4, 10, 0.857, 0.02),
        (1e-4, 12, 0.857, 0.01),
        (1e-8, 12, 0.868, 0.01),
    ],
)
def test_small_ridges_are_reached_from_larger_ones(lam, log2_points, theta, within):
    found = solve(HERE.at(lam=lam), "semantic", log2_points=log2_points)
    assert found.theta.value / S2 == pytest.approx(theta, rel=within)
    assert found.stable
    assert found.residual <= 1e-6


def test_a_branch_goes_on_smoothly_as_the_ridge_goes_to_zero():
    """Every order parameter settles; the training loss falls with the ridge."""
    points = [solve(HERE.at(alpha=2.0, lam=lam), "semantic", log2_points=10)
              for lam in (1e-2, 1e-3, 1e-5, 1e-7, 1e-8)]  # fmt: skip
    theta = [point.theta.value for point in points]
    assert theta == sorted(theta)
    assert theta[-1] == pytest.approx(theta[-2], rel=1e-4)
    losses = [point.train_loss.value for point in points]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    "end",
    [HERE.at(lam=1e-4), HERE.at(alpha=2.0), HERE.at(omega=0.2), TheoryParameters(1.6, 0.25)],
)
def test_following_agrees_with_solving(end):
    """In any parameter, and in several at once, there and back."""
    begin = solve(HERE, "semantic", log2_points=11)
    way = follow(HERE, begin.state, end, "semantic")
    assert way.reached
    assert way.parameters == end
    there = solve(end, "semantic", log2_points=11)
    assert way.state == pytest.approx(there.state, rel=0.03, abs=1e-6)
    assert way.energy == pytest.approx(there.train_loss.value, rel=0.01)
    back = follow(end, way.state, HERE, "semantic")
    assert back.state == pytest.approx(begin.state, rel=0.03, abs=1e-6)


def test_a_way_ends_where_the_branch_does():
    """The semantic branch at omega = 0.3 vanishes below alpha of about 0.7."""
    begin = solve(HERE, "semantic", log2_points=11)
    way = follow(HERE, begin.state, HERE.at(alpha=0.3), "semantic")
    assert not way.reached
    assert 0.6 < way.parameters.alpha < 0.8
    assert way.state[2] > 0


def test_bad_input_to_following():
    state = np.array([0.01, 0.0, 0.004, 1e-3])
    with pytest.raises(MechprobeError, match="not near a semantic solution where the way begins"):
        follow(HERE, state, HERE.at(alpha=2.0), "semantic")
    with pytest.raises(MechprobeError, match="between 2\\^8 and 2\\^22"):
        follow(HERE, state, HERE, "semantic", log2_points=30)


def test_between_settings():
    """Factors of alpha, sigma and lam, differences of omega and A; the ends exactly."""
    other = TheoryParameters(4.8, 0.5, 0.5, 1e-4, ((0.2, 0.8), (0.5, 0.5)))
    half = between(HERE, other, 0.5)
    assert (half.alpha, half.omega, half.sigma) == pytest.approx((2.4, 0.4, 0.5))
    assert half.lam == pytest.approx(1e-3)
    assert half.A[0] == pytest.approx((0.4, 0.6))
    assert (between(HERE, other, 0), between(HERE, other, 1)) == (HERE, other)
    assert distance(HERE, other) == pytest.approx(np.log(100))


def test_not_found_says_where_it_was_looked_for():
    with pytest.raises(
        BranchNotFoundError,
        match=r"not found from these starts \(theta goes to 0 .*ends at alpha=0\.\d+, omega=0\.3",
    ):
        solve(HERE.at(alpha=0.4), "semantic", log2_points=11)


def test_point_sets_that_disagree_are_refused(monkeypatch):
    """One set ends at another solution: no mean of both is printed."""
    calls = []

    def jumping(evolution, branch, guess, slope=None, exact=False):
        found = newton(evolution, branch, guess, slope, exact)
        if exact:
            calls.append(found)
        if len(calls) == 2:
            found = dataclasses.replace(found, state=found.state * np.array([1.5, 1, 0.3, 3]))
        return found

    monkeypatch.setattr(branches, "newton", jumping)
    says = (
        r"the point sets disagree .*<Q\*, Q>/d is 0.4\d+ on 2\^9 points, 0.4\d+ and 0.1\d+ on two"
    )
    with pytest.raises(PointSetsDisagreeError, match=says) as caught:
        solve(HERE, "semantic", log2_points=9)
    assert "take 2^11 points or more" in str(caught.value)
    assert isinstance(caught.value, NotConvergedError)


def test_a_solution_far_from_the_one_on_few_points_is_refused(monkeypatch):
    """Both sets agree on another solution than the search had found."""
    astray = solve(HERE.at(alpha=4.0), "semantic", log2_points=9).state
    true = solve(HERE, "semantic", log2_points=9).state
    monkeypatch.setattr(branches, "rough", lambda *_: astray * np.array([1, 1, 1, 0.2]))
    monkeypatch.setattr(
        branches, "_exact",
        lambda p, branch, guess, slope, log2, number: newton(
            branches.Evolution(p, log2, number), branch, true, exact=True
        ),
    )  # fmt: skip
    with pytest.raises(PointSetsDisagreeError, match="the point sets disagree"):
        solve(HERE, "semantic", log2_points=9)


def test_stability_is_undecided_where_the_sets_disagree(monkeypatch):
    answers = iter([{"along": 0.5, "m": 0.9}, {"along": 0.5, "m": 1.1}])
    monkeypatch.setattr(branches, "multipliers", lambda *_: next(answers))
    found = solve(HERE, "semantic", log2_points=9)
    assert found.stable is None
    assert found.multipliers["m"] == pytest.approx(1.0)


def test_good_starts_are_believed(monkeypatch):
    """Where starts are a guide nothing is followed, so that numbers stay what they were."""
    monkeypatch.setattr(search, "follow", lambda *_, **__: pytest.fail("followed"))
    assert solve(HERE, "semantic", log2_points=9).theta.value > 0


def test_ridgeless_theory_against_minima():
    """Real minima at lam = 1e-8, a correction of order 1/d taken out, are where theory says: near
    enough to tell the branch from others (`bench.ridgeless` is finer, at d = 1000)."""
    p = HERE.at(alpha=2.0, lam=1e-8)
    point = solve(p, "semantic", log2_points=11)
    assert point.two_valleys < 0.01
    found = [minima(p, "semantic", d, seeds) for d, seeds in ((64, 6), (128, 4))]
    limit = without_width(*found)
    assert limit.converged
    assert off(point, limit) == []
    # Without the correction the training loss would be far off: it is not small at these widths.
    assert "train loss" in off(point, found[0])
    theory = expected(point)
    assert off(point, Measured(tuple(1.1 * v for v in theory), (0.0,) * 4, converged=True))
