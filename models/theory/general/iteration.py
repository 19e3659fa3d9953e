"""Fixed points of the general state evolution: damped iteration with extrapolation.

Anderson's extrapolation settles the positional branch, whose plain iteration oscillates, and the
slow approach near transitions. A rank above one leaves rotations free, which are projected out.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.theory.general.evolution import GeneralEvolution, Overlaps, Step

MEMORY = 5  # iterates the extrapolation combines
START = 6  # iterations before it starts, and
PLAIN = 3  # after it led astray
SHARE = 0.25  # of the new iterate: the positional branch oscillates with more
ASTRAY = 1.5  # growth of the residual that sends it back to the best overlaps met
LEAP = 0.4  # largest relative change by extrapolation: no overlap may jump through zero
FROZEN = 0.1  # change below which a rotation is none: of nearly isotropic overlaps


class Solution(NamedTuple):
    """The most self-consistent overlaps met on one point set."""

    overlaps: Overlaps
    step: Step
    residual: float
    iterations: int


def fixed_point(
    evolution: GeneralEvolution,
    state: Overlaps,
    tol: float,
    max_iterations: int,
    tick: Callable[[int], object],
) -> Solution:
    """Iterate to self-consistency.

    Args:
        evolution: the equations.
        state: where to start.
        tol: residual that is enough: the largest change of an overlap by one more step, relative
            to its size (of m and theta to the root of tr R), rotations left out.
        max_iterations: at least 1.
        tick: called with 1 after every iteration.
    """
    best: Solution | None = None
    history: list[tuple[Tensor, Tensor]] = []  # overlaps and their changes
    plain, leapt = START, False
    for iteration in range(1, max_iterations + 1):
        step = evolution.step(state)
        tick(1)
        scale = _scale(state)
        change = (_flat(step.overlaps) - _flat(state)) / scale
        change = _unturned(change, _rotations(state) / scale)
        residual = float(change.abs().max())
        if best is None or residual < best.residual:
            best, best_move = Solution(state, step, residual, iteration), SHARE * change * scale
        if residual <= tol:
            break
        if leapt and residual > ASTRAY * best.residual:
            state, history, plain, leapt = _moved(best.overlaps, best_move), [], PLAIN, False
            continue
        history = [*history[-MEMORY:], (_flat(state), change)]
        move, leapt = SHARE * change * scale, False
        plain -= 1
        if plain < 0:
            leap = _shortened(_extrapolated(history, scale) * scale, state)
            if _possible(_moved(state, leap)):
                move, leapt = leap, True
        state = _moved(state, move)
    assert best is not None
    return best._replace(iterations=iteration)


def _flat(overlaps: Overlaps) -> Float[Tensor, " k"]:
    return torch.cat([part.flatten() for part in overlaps])


def _moved(state: Overlaps, move: Float[Tensor, " k"]) -> Overlaps:
    pieces = torch.split(move, [part.numel() for part in state])
    return Overlaps(*(p + d.view_as(p) for p, d in zip(state, pieces, strict=True)))


def _shortened(move: Float[Tensor, " k"], state: Overlaps) -> Float[Tensor, " k"]:
    pieces = torch.split(move, [part.numel() for part in state])
    # Overlaps that are pinned, or have died out, may be rounding errors.
    ratios = [
        float(d.norm() / p.norm()) for p, d in zip(state, pieces, strict=True) if p.norm() > 1e-4
    ]
    return move * min(1.0, LEAP / max([*ratios, LEAP]))  # all may have died out


def _scale(state: Overlaps) -> Float[Tensor, " k"]:
    """What a change of each overlap is measured by; Q that dies out counts as zero in the end."""
    size = state.R.trace().clamp(min=1e-3)
    sizes = (size.sqrt(), size.sqrt(), size, state.chi.trace())
    return torch.cat([s.expand(part.numel()) for s, part in zip(sizes, state, strict=True)])


def _possible(state: Overlaps) -> bool:
    """Whether Q^T Q / d leaves room for m and theta, and the response is positive."""
    noise = state.R - torch.outer(state.m, state.m) - state.theta.mT @ state.theta
    return bool(
        torch.linalg.eigvalsh(noise).min() > 0 and torch.linalg.eigvalsh(state.chi).min() > 0
    )


def _rotations(state: Overlaps) -> Float[Tensor, "turns k"]:
    """How small rotations of the columns of Q, then of Q*, change the overlaps."""
    m, theta, R, chi = state
    turns = [
        _flat(Overlaps(m @ o, theta @ o, R @ o - o @ R, chi @ o - o @ chi)) for o in _skew(len(m))
    ]
    still = Overlaps(*(torch.zeros_like(part) for part in state))
    turns += [_flat(still._replace(theta=o @ theta)) for o in _skew(len(theta))]
    return torch.stack(turns) if turns else torch.zeros(0, len(_flat(state)), dtype=R.dtype)


def _skew(size: int) -> list[Float[Tensor, "k k"]]:
    """A basis of the antisymmetric matrices."""
    basis = []
    for i in range(size):
        for j in range(i):
            o = torch.zeros(size, size, dtype=torch.float64)
            o[i, j], o[j, i] = 1, -1
            basis.append(o)
    return basis


def _unturned(change: Float[Tensor, " k"], turns: Float[Tensor, "turns k"]) -> Float[Tensor, " k"]:
    """The change without its part along the rotations: finite point sets turn Q for ever."""
    _, sizes, directions = torch.linalg.svd(turns, full_matrices=False)
    along: Tensor = directions[sizes > FROZEN]
    return change - along.mT @ (along @ change)


def _extrapolated(
    history: list[tuple[Tensor, Tensor]], scale: Float[Tensor, " k"]
) -> Float[Tensor, " k"]:
    """Anderson's move (in units of scale): the mixture of the last changes that cancels best."""
    states = torch.stack([state for state, _ in history]) / scale
    changes = torch.stack([change for _, change in history])
    ds, dc = states.diff(dim=0).mT, changes.diff(dim=0).mT
    gram = dc.mT @ dc
    gram = gram + 1e-10 * gram.trace() * torch.eye(len(gram), dtype=gram.dtype)
    weights: Tensor = torch.linalg.solve(gram, dc.mT @ changes[-1])
    return SHARE * changes[-1] - (ds + SHARE * dc) @ weights
