"""Jumps of curves are found where they are, and none is invented."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mechprobe.probes.change_points import LEAST, Changes, changes_of

STEPS = [round(1.35**i) for i in range(3, 33)]  # 30 snapshots, 35 per cent from one to the next
PLACE = np.arange(len(STEPS))
Curve = Callable[[np.random.Generator], np.ndarray]


def found(values: np.ndarray, seed: int = 0) -> Changes:
    generator = torch.Generator().manual_seed(seed)
    return changes_of("curve", STEPS, values.tolist(), generator)


def slow_noise(draws: np.random.Generator, memory: float) -> np.ndarray:
    """Noise of unit size that remembers its past."""
    noise = draws.normal(size=len(STEPS))
    for i in range(1, len(noise)):
        noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return noise


def rise(width: float, middle: float = 15.0) -> np.ndarray:
    """From 0 to 1; from 10 to 90 % within `width` snapshots."""
    return 1 / (1 + np.exp(-2 * np.log(9) * (PLACE - middle) / width))


@pytest.mark.parametrize("height", [1.0, -0.4])
def test_a_jump_is_found_where_it_is(height: float) -> None:
    """Its place, size and direction, on a slope."""
    draws = np.random.default_rng(1)
    curve = 0.01 * PLACE + height * (PLACE >= 18) + 0.02 * draws.normal(size=len(STEPS))
    (point,) = found(curve).points or []
    assert (point.after, point.step) == (STEPS[17], STEPS[18])
    assert point.low <= point.after < point.step <= point.high
    assert point.jump == pytest.approx(height, abs=0.08)
    assert point.chance <= 0.01


def test_two_jumps_are_told_apart() -> None:
    draws = np.random.default_rng(2)
    curve = 1.0 * (PLACE >= 9) - 0.7 * (PLACE >= 20) + 0.01 * draws.normal(size=len(STEPS))
    points = found(curve).points or []
    assert [one.step for one in points] == [STEPS[9], STEPS[20]]
    assert points[0].jump > 0 > points[1].jump


@pytest.mark.parametrize(
    "curve",
    [np.zeros(len(STEPS)), np.full(len(STEPS), 0.1), 0.03 * PLACE, rise(8), rise(14), PLACE**2.0],
)
def test_what_is_smooth_to_the_last_digit_has_none(curve: np.ndarray) -> None:
    assert found(curve).points == []


NULLS: dict[str, Curve] = {
    "flat": lambda draws: draws.normal(size=len(STEPS)),
    "slow": lambda draws: slow_noise(draws, 0.8),
    "drift": lambda draws: np.cumsum(draws.normal(size=len(STEPS))),
    "quieter": lambda draws: np.exp(-PLACE / 8) * draws.normal(size=len(STEPS)),
    "rise": lambda draws: rise(8, draws.uniform(8, 22)) + 0.03 * draws.normal(size=len(STEPS)),
}


@pytest.mark.parametrize("name", NULLS)
def test_false_alarms_are_rare(name: str) -> None:
    """At most 5 % where there is no jump, whatever the noise."""
    draws = np.random.default_rng(3)
    alarms = [bool(found(NULLS[name](draws), seed).points) for seed in range(100)]
    assert np.mean(alarms) <= 0.05


def test_most_jumps_are_found_and_their_bounds_hold() -> None:
    """At a noise of a twentieth of the jump."""
    draws = np.random.default_rng(4)
    held, hits = [], 0
    for seed in range(40):
        place = int(draws.integers(5, 26))
        curve = 1.0 * (place <= PLACE) + 0.05 * draws.normal(size=len(STEPS))
        points = found(curve, seed).points or []
        hits += bool(points)
        held += [one.low < STEPS[place] <= one.high for one in points[:1]]
    assert hits >= 36
    assert np.mean(held) >= 0.9


def test_missing_values_are_left_out() -> None:
    """As many as there are count; too few say nothing, which is not the same as no change."""
    draws = np.random.default_rng(5)
    curve = 1.0 * (PLACE >= 18) + 0.02 * draws.normal(size=len(STEPS))
    curve[:6] = np.nan
    some = found(curve)
    assert some.snapshots == len(STEPS) - 6
    assert [one.step for one in some.points or []] == [STEPS[18]]
    few = changes_of("c", STEPS[: LEAST - 1], [0.0, *[None] * 0, *[1.0] * (LEAST - 2)],
                     torch.Generator().manual_seed(0))  # fmt: skip
    assert (few.snapshots, few.points) == (LEAST - 1, None)


def test_the_same_seed_gives_the_same_numbers() -> None:
    draws = np.random.default_rng(6)
    curve = 1.0 * (PLACE >= 18) + 0.1 * draws.normal(size=len(STEPS))
    assert found(curve, 7) == found(curve, 7)
