"""The theory's share of the study: both branches at a setting, and the transitions."""

from dataclasses import dataclass
from typing import ClassVar

from mechprobe.analyses.studies.attention_phase_transition.results import (
    Branch,
    Number,
    TheoryPair,
    TheoryPoint,
    TransitionLine,
)
from mechprobe.models.theory import (
    BranchNotFoundError,
    BranchPoint,
    NotConvergedError,
    Quantity,
    TheoryParameters,
    linear_mse,
    solve,
    transitions,
)
from mechprobe.models.theory.parameters import Mixing

SPAN = (0.3, 5.0)  # values of alpha in which transitions are searched


@dataclass(frozen=True)
class TheoryJob:
    """Both branches at one setting.

    Args:
        mixing, A: name and entries of the positional matrix.
        omega, alpha: the setting.
        log2_points: 2^log2_points quasi-random points in each of two sets.
        seed: of their scrambling.
    """

    mixing: str
    A: Mixing
    omega: float
    alpha: float
    log2_points: int
    seed: int

    result: ClassVar[type[TheoryPair]] = TheoryPair

    @property
    def weight(self) -> float:
        """Relative length of the work, in seconds of one core."""
        return 0.4 + (1 << self.log2_points) / 50_000

    def run(self) -> TheoryPair:
        """Solve both."""
        p = TheoryParameters(alpha=self.alpha, omega=self.omega, A=self.A)
        notes: list[str] = []
        found: dict[Branch, TheoryPoint | None] = {}
        for branch in ("semantic", "positional"):
            found[branch] = self._solve(p, branch, notes)
        return TheoryPair(
            mixing=self.mixing,
            omega=self.omega,
            alpha=self.alpha,
            semantic=found["semantic"],
            positional=found["positional"],
            linear=linear_mse(p, self.log2_points, self.seed) / 2,
            notes=notes,
        )

    def _solve(self, p: TheoryParameters, branch: Branch, notes: list[str]) -> TheoryPoint | None:
        try:
            point = solve(p, branch, log2_points=self.log2_points, seed=self.seed)
        except BranchNotFoundError:
            return None
        except NotConvergedError as error:
            notes.append(str(error))
            return None
        return _in_experiments_convention(point)


@dataclass(frozen=True)
class TransitionJob:
    """alpha_c and alpha_l at one omega; A is the paper's."""

    omega: float
    log2_points: int
    seed: int

    result: ClassVar[type[TransitionLine]] = TransitionLine

    @property
    def weight(self) -> float:
        """Relative length of the work, in seconds of one core."""
        return 25 + (1 << self.log2_points) / 1500

    def run(self) -> TransitionLine:
        """Search for both."""
        p = TheoryParameters(alpha=1.0, omega=self.omega)
        found = transitions(p, log2_points=self.log2_points, seed=self.seed, span=SPAN)
        return TransitionLine(
            omega=self.omega,
            alpha_c=None if found.alpha_c is None else _number(found.alpha_c),
            alpha_l=None if found.alpha_l is None else _number(found.alpha_l),
            notes=found.notes,
        )


def _in_experiments_convention(point: BranchPoint) -> TheoryPoint:
    variance = point.parameters.sigma**2
    return TheoryPoint(
        m=_number(point.m),
        theta=_number(point.theta, 1 / variance),
        q=_number(point.q, 1 / variance),
        loss=_number(point.train_loss),
        test_error=_number(point.gen_error),
        stable=point.stable,
    )


def _number(quantity: Quantity, factor: float = 1.0) -> Number:
    return Number(value=factor * quantity.value, error=factor * quantity.error)
