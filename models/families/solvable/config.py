"""Shape and task of a solvable attention model (arXiv:2402.03902, sections 2 and 3)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from mechprobe.models.tasks import AskedConfig, paper_mixing

Entry = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SolvableConfig(AskedConfig):
    """One layer of tied dot-product attention that regresses onto a teacher attention.

    Attributes:
        L: tokens of a sequence (2..64).
        d: width of a token (2..100,000).
        rank: columns of the student's tied query and key weights Q (1..64).
        teacher_rank: columns of the teacher's Q_star (1..64).
        omega: share of the fixed matrix A in the target mixing, in [0, 1].
        A: the positional part of the target, L x L, entries >= 0, rows summing to one.
        sigma: standard deviation of the tokens at each position, positive.
        lam: ridge strength (lambda in the paper), at least 0.
        full_covariance: whether the weights carry a covariance for each position; without,
            tokens are isotropic, sigma_l^2 times the identity.
        asked: the task in place of regression onto the teacher with omega, A and sigma.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Literal["solvable"] = "solvable"
    L: Annotated[int, Field(ge=2, le=64)]
    d: Annotated[int, Field(ge=2, le=100_000)]
    rank: Annotated[int, Field(ge=1, le=64)]
    teacher_rank: Annotated[int, Field(ge=1, le=64)]
    omega: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    A: tuple[tuple[Entry, ...], ...]
    sigma: tuple[Deviation, ...]
    lam: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    full_covariance: bool = False

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: object) -> object:
        # JSON knows lists only, and strict validation refuses them for tuples.
        if not isinstance(data, dict):
            return data
        return {k: _frozen(v) if k in ("A", "sigma") else v for k, v in data.items()}

    @model_validator(mode="after")
    def _consistent(self) -> "SolvableConfig":
        if len(self.A) != self.L or any(len(row) != self.L for row in self.A):
            raise ValueError(f"A has to be {self.L} x {self.L}, as L={self.L} says")
        for number, row in enumerate(self.A):
            if abs(sum(row) - 1) > 1e-9:
                raise ValueError(f"row {number} of A sums to {sum(row):.12g}, not to 1")
        if len(self.sigma) != self.L:
            raise ValueError(f"sigma has {len(self.sigma)} values, but L={self.L} positions")
        return self

    @classmethod
    def of(
        cls,
        *,
        d: int = 1000,
        L: int = 2,
        omega: float = 0.3,
        sigma: float | Sequence[float] = 0.5,
        lam: float = 0.01,
        A: Sequence[Sequence[float]] | None = None,
        rank: int = 1,
        teacher_rank: int = 1,
    ) -> "SolvableConfig":
        """A configuration by its few numbers; the defaults are the paper's.

        Without A the diagonal is 0.6 and the rest of a row shared equally, which at L=2 is the
        paper's [[0.6, 0.4], [0.4, 0.6]]. One sigma holds for every position.

        Raises:
            MechprobeError: a value out of range, or sizes that do not fit together.
        """
        if A is None:
            A = paper_mixing(L)
        return cls.checked(
            {
                "L": L,
                "d": d,
                "rank": rank,
                "teacher_rank": teacher_rank,
                "omega": omega,
                "A": [list(row) for row in A],
                "sigma": list(sigma) if isinstance(sigma, Sequence) else [sigma] * L,
                "lam": lam,
            }
        )

    @property
    def architecture(self) -> str:
        """One kind so far."""
        return "tied-attention"

    @property
    def n_ctx(self) -> int:
        """Positions of a sequence."""
        return self.L

    @property
    def usual_task(self) -> dict[str, Any]:
        """Regression onto the teacher; Q_star and covariances are among the weights."""
        return {
            "name": "attention-regression",
            "omega": self.omega,
            "A": [list(row) for row in self.A],
            "sigma": list(self.sigma),
        }

    @property
    def sizes(self) -> dict[str, int]:
        """The four sizes by name."""
        return {"L": self.L, "d": self.d, "rank": self.rank, "teacher_rank": self.teacher_rank}


def _frozen(value: object) -> object:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
