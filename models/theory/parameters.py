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

    def at(
        self,
        *,
        alpha: float | None = None,
        omega: float | None = None,
        lam: float | None = None,
    ) -> "TheoryParameters":
        """The same with another alpha, omega or lam."""
        return dataclasses.replace(
            self,
            alpha=self.alpha if alpha is None else alpha,
            omega=self.omega if omega is None else omega,
            lam=self.lam if lam is None else lam,
        )


def between(one: TheoryParameters, other: TheoryParameters, share: float) -> TheoryParameters:
    """The parameters at a share of the way from one to another: alpha, sigma and lam in equal
    factors, omega and A in equal differences; exact at both ends."""
    if share in (0, 1):
        return other if share else one

    def factor(a: float, b: float) -> float:
        return float(a * (b / a) ** share)

    def difference(a: float, b: float) -> float:
        return a + (b - a) * share

    rows = zip(one.A, other.A, strict=True)
    return TheoryParameters(
        alpha=factor(one.alpha, other.alpha),
        omega=difference(one.omega, other.omega),
        sigma=factor(one.sigma, other.sigma),
        lam=factor(one.lam, other.lam),
        A=tuple(tuple(difference(*pair) for pair in zip(*both, strict=True)) for both in rows),
    )


def distance(one: TheoryParameters, other: TheoryParameters) -> float:
    """The largest change of a parameter on that way: of the logarithm of alpha, sigma and lam, of
    omega and A themselves."""
    factors = [
        abs(math.log(getattr(other, name) / getattr(one, name)))
        for name in ("alpha", "sigma", "lam")
    ]
    entries = zip(sum(one.A, ()), sum(other.A, ()), strict=True)
    return max(*factors, abs(other.omega - one.omega), *(abs(b - a) for a, b in entries))


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
