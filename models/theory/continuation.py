"""Following a branch from parameters where it is known to others, step by step.

On a straight way between two settings (alpha, lam and sigma by factors, omega and A by
differences) each step guesses the next solution by the secant through the last two and corrects
it by Newton's method, rough and on few points. A step that fails is cut, one that succeeds is
lengthened. A way ends early where the branch does: at a fold, or where its overlap vanishes.
"""

from dataclasses import dataclass

import numpy as np

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.branch import BRANCHES, Branch
from mechprobe.models.theory.evolution import Evolution, State
from mechprobe.models.theory.fixed_point import (
    FREE,
    Solution,
    coordinates,
    from_coordinates,
    newton,
    own_overlap,
    present,
    scale,
)
from mechprobe.models.theory.parameters import TheoryParameters, between, distance

FIRST = 1 / 8  # step, as a share of the way
SHORTEST = 0.02  # in logarithms of alpha, sigma and lam, or in omega and A
TRIES = 12  # of Newton's method for a rough solution
NEAR = 3e-3  # self-consistency of a rough solution
LEAP = 0.35  # of a step's correction, in units of the overlaps' size: more is another solution


@dataclass(frozen=True)
class Way:
    """A branch followed as far as it goes.

    Args:
        parameters: the last that were reached.
        state: (q, m, theta, V) there, rough.
        energy: training loss / d there.
        reached: whether that is the end that was asked for.
    """

    parameters: TheoryParameters
    state: State
    energy: float
    reached: bool


def follow(
    begin: TheoryParameters,
    state: State,
    end: TheoryParameters,
    branch: Branch,
    *,
    log2_points: int = 11,
    seed: int = 0,
) -> Way:
    """Follow a branch from one setting to another.

    Args:
        begin: where the branch is known.
        state: (q, m, theta, V) of the branch there, at least roughly.
        end: where it is wanted; any of its parameters may differ.
        branch: which one.
        log2_points: 2^log2_points quasi-random points, 8 to 22.
        seed: number of the point set.

    Raises:
        MechprobeError: unknown branch or number of points, or a state that is not near a
            solution at the beginning.
    """
    if branch not in BRANCHES:
        raise MechprobeError(f"branch {branch!r} is unknown; choose from {', '.join(BRANCHES)}")
    if not 8 <= log2_points <= 22:
        raise MechprobeError(f"2^{log2_points} points: between 2^8 and 2^22 are wanted")

    def solved(p: TheoryParameters, guess: State, slope: np.ndarray | None) -> Solution | None:
        found = newton(Evolution(p, log2_points, seed), branch, guess, slope, iterations=TRIES)
        return found if _same(p, branch, guess, found) else None

    found = solved(begin, state, None)
    if found is None:
        raise MechprobeError(
            f"the state {np.round(state, 4).tolist()} is not near a {branch} solution where the way"
            " begins; solve for one there first"
        )
    shortest = min(SHORTEST / max(distance(begin, end), SHORTEST), FIRST / 8)
    done, step, here = 0.0, FIRST, coordinates(begin, found.state)
    velocity = np.zeros(4)  # change of the coordinates along the whole way
    while done < 1 and step >= shortest:
        ahead = min(1.0, done + step)
        p = between(begin, end, ahead)
        guess = from_coordinates(p, here + velocity * (ahead - done))
        slope = np.eye(len(FREE[branch])) - found.jacobian
        new = solved(p, guess, slope)
        if new is None:
            step /= 4
            continue
        there = coordinates(p, new.state)
        velocity, done, here, found = (there - here) / (ahead - done), ahead, there, new
        step *= 1.7
    return Way(between(begin, end, done), found.state, found.step.energy, done == 1)


def _same(p: TheoryParameters, branch: Branch, guess: State, found: Solution) -> bool:
    """Whether a solution was found, and it is the one that was guessed."""
    if not (found.residual <= NEAR and present(p, branch, found.state)):
        return False
    away = np.abs(found.state - guess) / scale(p, guess)
    return bool(
        away.max() < LEAP and own_overlap(branch, found.state) * own_overlap(branch, guess) >= 0
    )
