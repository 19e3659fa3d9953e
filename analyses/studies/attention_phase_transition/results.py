"""What the study found: plain numbers, no models, in the experiments' conventions.

m = |<1, Q>| / d, theta = |<Q*, Q>| / d, loss = total training loss / d, test error =
E |y - f|^2 / (2 d) (arXiv:2402.03902).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Branch = Literal["semantic", "positional"]
End = Literal["semantic", "positional", "mixed", "neither"]
BRANCHES: tuple[Branch, ...] = ("semantic", "positional")
ENDS: tuple[End, ...] = ("semantic", "positional", "mixed", "neither")


class Schema(BaseModel):
    """Frozen, and nothing beyond its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Number(Schema):
    """A value with the error it is known to; None where nobody knows it."""

    value: float
    error: float | None


class TheoryPoint(Schema):
    """One branch at one alpha, d to infinity; q is |Q|^2 / d. `stable` is None where the point
    sets disagree on it; such a point is not drawn as a minimum."""

    m: Number
    theta: Number
    q: Number
    loss: Number
    test_error: Number
    stable: bool | None


class TheoryPair(Schema):
    """Both branches at one setting.

    Args:
        mixing: name of the matrix A.
        omega, alpha: the setting.
        semantic, positional: None where the branch was not found or not solved.
        linear: test error of the linear baseline.
        notes: why a branch is missing where it was not plainly lost.
    """

    mixing: str
    omega: float
    alpha: float
    semantic: TheoryPoint | None
    positional: TheoryPoint | None
    linear: float
    notes: list[str]

    def branch(self, name: Branch) -> TheoryPoint | None:
        """One of the two."""
        return self.semantic if name == "semantic" else self.positional

    def gap(self) -> float | None:
        """Loss of the semantic less that of the positional branch, where both are there."""
        if self.semantic is None or self.positional is None:
            return None
        return self.semantic.loss.value - self.positional.loss.value

    def lowest(self) -> TheoryPoint | None:
        """The branch of least training loss."""
        there = [point for point in (self.semantic, self.positional) if point is not None]
        return min(there, key=lambda point: point.loss.value, default=None)


class TransitionLine(Schema):
    """Both transitions at one omega; None: none was found.

    Args:
        searched: whether a search of its own found them; else they are read off a grid of alphas,
            between its points, with errors that are not known.
    """

    omega: float
    alpha_c: Number | None
    alpha_l: Number | None
    notes: list[str]
    searched: bool = True


class Minimum(Schema):
    """Where one run of L-BFGS came to rest.

    Args:
        seed: number of the data set.
        start: from where it began.
        end: which mechanism its weights have; see `experiments.ending`.
        m, theta: with the start's own overlap positive.
        q: |Q|^2 / d.
        linear_error: test error of the linear baseline fitted to the same data.
        converged: whether the gradient came down to the tolerance.
    """

    seed: int
    start: Branch
    end: End
    m: float
    theta: float
    q: float
    loss: float
    test_error: float
    linear_error: float
    converged: bool

    @property
    def own(self) -> float:
        """The overlap that the start's branch is named for."""
        return self.theta if self.start == "semantic" else self.m

    @property
    def stayed(self) -> bool:
        """Whether it is on the start's branch: its own overlap leads, were it mixed."""
        other = self.m if self.start == "semantic" else self.theta
        return self.end == self.start or (self.end == "mixed" and self.own > abs(other))


class Minima(Schema):
    """All minima at one setting."""

    mixing: str
    omega: float
    alpha: float
    d: int
    minima: list[Minimum]


class Path(Schema):
    """Gradient descent from one random start.

    Args:
        m, theta: at the recorded steps, signed.
        final_m, final_theta, final_loss, converged: after L-BFGS went on from the last step.
        end: the theory's point it is close to, "neither" where there is none.
    """

    m: list[float]
    theta: list[float]
    final_m: float
    final_theta: float
    final_loss: float
    converged: bool
    end: End = "neither"


class Paths(Schema):
    """Gradient descent at one alpha from random starts of one size.

    Args:
        scale: standard deviation of the start's entries.
        steps: optimiser steps at each record.
    """

    omega: float
    alpha: float
    d: int
    scale: float
    steps: list[int]
    paths: list[Path]


class StoppedRun(Schema):
    """Descent stopped early, and the minimum from the same start on the same data (pairs of
    numbers in that order); own: the overlap that the start is named for."""

    start: Branch
    own: tuple[float, float]
    loss: tuple[float, float]
    test_error: tuple[float, float]


class Stopped(Schema):
    """Gradient descent for as many steps as the published runs, at one alpha."""

    alpha: float
    d: int
    steps: int
    rate: float
    runs: list[StoppedRun]
