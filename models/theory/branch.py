"""What a branch of the state evolution is, and a solved point of one (arXiv:2402.03902)."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.evolution import State
from mechprobe.models.theory.parameters import TheoryParameters

Branch = Literal["semantic", "positional", "uninformed"]
BRANCHES: tuple[Branch, ...] = get_args(Branch)


class BranchNotFoundError(MechprobeError):
    """No such branch was found: neither from the starts, nor followed from where it was found."""


class NotConvergedError(MechprobeError):
    """The equations were not solved to the stated tolerance."""


class PointSetsDisagreeError(NotConvergedError):
    """Independent point sets give solutions too far apart to be one: more points are needed."""


@dataclass(frozen=True)
class Quantity:
    """A number of the theory.

    Args:
        value: mean over two point sets.
        error: half their difference, the quadrature's standard error.
    """

    value: float
    error: float


@dataclass(frozen=True)
class BranchPoint:
    """A solved point of a branch; overlaps in the theory's convention (see evolution.py).

    Args:
        parameters, branch: what was solved.
        q, m, theta, V: overlaps, signs chosen positive.
        qhat, mhat, thetahat, Vhat: their conjugates.
        mse: E |y - f|^2 / d on fresh data.
        train_loss: total training loss / d.
        multipliers: growth of a small perturbation by one step: of what the branch is pinned
            to be without ("m", "theta"), and the largest along the branch ("along"); means over
            the two sets.
        stable: whether none of them is above 1 (within replica symmetry); None where the two
            sets disagree on it, so that more points are needed. One below -1 makes an undamped
            iteration oscillate, but takes nothing from the minimum.
        two_valleys: share of points whose prox has two minima.
        residual: self-consistency, the worse of both sets.
        points: in each set.
    """

    parameters: TheoryParameters
    branch: Branch
    q: Quantity
    m: Quantity
    theta: Quantity
    V: Quantity
    qhat: Quantity
    mhat: Quantity
    thetahat: Quantity
    Vhat: Quantity
    mse: Quantity
    train_loss: Quantity
    multipliers: dict[str, float]
    stable: bool | None
    two_valleys: float
    residual: float
    points: int

    @property
    def gen_error(self) -> Quantity:
        """E |y - f|^2 / (2 d), the experiments' measure."""
        return Quantity(self.mse.value / 2, self.mse.error / 2)

    @property
    def state(self) -> State:
        """(q, m, theta, V)."""
        return np.array([self.q.value, self.m.value, self.theta.value, self.V.value])
