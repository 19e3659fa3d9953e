"""Parameters of the solvable attention model whose theory is solved (arXiv:2402.03902)."""

import dataclasses
import math
from dataclasses import dataclass

from mechprobe.models.base.errors import MechprobeError

Mixing = tuple[tuple[float, ...], ...]
PAPER_MIXING: Mixing = ((0.6, 0.4), (0.4, 0.6))


@dataclass(frozen=True)
class TheoryParameters:
    """Two tokens, rank one, d to infinity with n = alpha d samples.

    Args:
        alpha: samples per dimension, above 0.
        omega: weight of the positional part A in the target, in [0, 1].
        sigma: standard deviation of the tokens' coordinates, above 0.
        lam: ridge penalty, above 0.
        A: row-stochastic 2 x 2 mixing matrix of the positional part.

    Raises:
        MechprobeError: a parameter that no such model can have.
    """

    alpha: float
    omega: float = 0.3
    sigma: float = 0.5
    lam: float = 0.01
    A: Mixing = PAPER_MIXING

    def __post_init__(self) -> None:
        for name in ("alpha", "sigma", "lam"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise MechprobeError(f"{name}={value}: a finite number above 0 is wanted")
            if not 1e-9 <= value <= 1e9:
                raise MechprobeError(f"{name}={value}: a value between 1e-9 and 1e9 is wanted")
        if not 0 <= self.omega <= 1:
            raise MechprobeError(f"omega={self.omega}: a weight between 0 and 1 is wanted")
        check_mixing(self.A, 2)

    def at(self, *, alpha: float | None = None, omega: float | None = None) -> "TheoryParameters":
        """The same with another alpha or omega."""
        return dataclasses.replace(
            self,
            alpha=self.alpha if alpha is None else alpha,
            omega=self.omega if omega is None else omega,
        )


def check_mixing(A: Mixing, L: int) -> None:
    """Refuse a matrix that is not row-stochastic.

    Raises:
        MechprobeError: not L x L, an entry outside [0, 1], or a row that does not sum to 1.
    """
    if len(A) != L or any(len(row) != L for row in A):
        raise MechprobeError(f"A={A}: {L} rows of {L} weights are wanted")
    for i, row in enumerate(A):
        if not all(0 <= entry <= 1 for entry in row) or abs(sum(row) - 1) > 1e-9:
            raise MechprobeError(
                f"A: row {i + 1} is {row}; weights between 0 and 1 that sum to 1 are wanted"
            )
