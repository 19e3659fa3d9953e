"""Regression onto a teacher attention that looks at content and at position.

Source: Cui, Behrens, Krzakala, Zdeborova, arXiv:2402.03902, section 2 (equation for the target).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.models.tasks.base import Interface, task
from mechprobe.models.tasks.inputs import Vectors, real_of_shape, refuse_none


def paper_mixing(L: int) -> tuple[tuple[float, ...], ...]:
    """The positional part A where none is given: 0.6 on the diagonal, the rest of a row shared
    equally; at L=2 the paper's first example."""
    rest = 0.4 / max(1, L - 1)  # a bad L is refused where A is checked, not by a division here
    return tuple(tuple(0.6 if i == j else rest for j in range(L)) for i in range(L))


@task("attention-regression")
@dataclass(frozen=True, eq=False)
class AttentionRegression:
    """Targets y = T(x) x with T(x) = (1 - omega) softmax(x Q* Q*^T x^T / d) + omega A.

    Args:
        Q_star: the teacher's tied query and key weights.
        omega: share of the positional part, in [0, 1].
        A: the positional mixing matrix, L rows of L.
        sigma: standard deviation of a token's entries, one a position.
        covariance: a token's covariance at each position, in place of sigma_l^2 1.

    Raises:
        MechprobeError: omega outside [0, 1], or A and sigma of different lengths.
    """

    Q_star: Float[Tensor, "d teacher_rank"]
    omega: float
    A: tuple[tuple[float, ...], ...]
    sigma: tuple[float, ...]
    covariance: Float[Tensor, "L d d"] | None = None
    name: str = "attention-regression"

    def __post_init__(self) -> None:
        if not 0 <= self.omega <= 1:
            raise MechprobeError(f"omega={self.omega}: the positional share lies in [0, 1]")
        if any(len(row) != self.L for row in self.A) or len(self.A) != self.L:
            raise MechprobeError(f"A: {self.L} rows of {self.L} are wanted, as sigma says")

    @classmethod
    def from_data(cls, data: Mapping[str, Any], tensors: Weights) -> "AttentionRegression":
        """A task out of omega, A and sigma; the teacher Q_star and, where tokens have one, the
        covariance are among the tensors.

        Raises:
            MechprobeError: there is no teacher, an unknown setting, or numbers that do not fit.
        """
        if "Q_star" not in tensors:
            raise MechprobeError("task 'attention-regression': the model has no teacher Q_star")
        made = cls(
            Q_star=tensors["Q_star"],
            omega=float(data["omega"]),
            A=tuple(tuple(float(entry) for entry in row) for row in data["A"]),
            sigma=tuple(float(deviation) for deviation in data["sigma"]),
            covariance=tensors.get("covariance"),
        )
        known = made.describe()
        for name, value in data.items():
            if name not in known or known[name] != value:
                found = f"{known[name]} here" if name in known else "not a setting"
                raise MechprobeError(f"task {made.name!r}: {name} = {short(value)} is {found}")
        return made

    def why_not(self, interface: Interface) -> str | None:
        """Why a model cannot be asked this task."""
        if not interface.vectors:
            return "it reads token ids, vectors are wanted"
        if interface.n_ctx != self.L:
            return f"it reads {interface.n_ctx} positions, {self.L} are wanted"
        if (interface.d_in, interface.d_out) != (self.d, self.d):
            return (
                f"it reads vectors of width {interface.d_in} and answers with width"
                f" {interface.d_out}, {self.d} is wanted"
            )
        return None

    @property
    def L(self) -> int:
        """Tokens of a sequence."""
        return len(self.sigma)

    @property
    def d(self) -> int:
        """Width of a token."""
        return self.Q_star.shape[0]

    @settled()
    def sample(self, n: int, generator: torch.Generator) -> Float[Tensor, "n L d"]:
        """Draw n sequences of independent Gaussian tokens, in the type of Q_star.

        Raises:
            MechprobeError: a covariance is not positive definite.
        """
        dtype = self.Q_star.dtype
        x: Tensor = draw_normal((n, self.L, self.d), generator, dtype)
        if self.covariance is None:
            x *= torch.tensor(self.sigma, dtype=dtype).unsqueeze(1)
            return x
        factor, info = torch.linalg.cholesky_ex(self.covariance.double())
        if info.any():
            raise MechprobeError("covariance: not positive definite at every position")
        colored: Tensor = factor.to(dtype) @ x.permute(1, 2, 0)
        return colored.permute(2, 0, 1)

    def checked(self, x: Any) -> Float[Tensor, "*batch L d"]:
        """Sequences of this task, in the type of Q_star.

        Raises:
            MechprobeError: `x` is no tensor of real numbers, or one of another shape, in a longer
                type than Q_star, or with NaN or infinite numbers.
        """
        return Vectors(self.L, self.d).checked(x, self.Q_star)

    def attention(self, x: Any) -> Float[Tensor, "*batch L L"]:
        """The teacher's softmax attention, the content part of the target mixing.

        Args:
            x: sequences [*batch, L, d].

        Raises:
            MechprobeError: they are none of this task; see `checked`.
        """
        return self._attention(self.checked(x))

    def mixing(self, x: Any) -> Float[Tensor, "*batch L L"]:
        """The target mixing matrix T of each sequence; its rows sum to one.

        Args:
            x: sequences [*batch, L, d].

        Raises:
            MechprobeError: they are none of this task; see `checked`.
        """
        return self._mixing(self.checked(x))

    def targets(self, x: Any) -> Float[Tensor, "*batch L d"]:
        """What the student has to answer, y = T x.

        Args:
            x: sequences [*batch, L, d].

        Raises:
            MechprobeError: they are none of this task; see `checked`.
        """
        x = self.checked(x)
        y: Tensor = self._mixing(x) @ x
        return y

    def token_losses(
        self, answers: Any, inputs: Any, targets: Any = None
    ) -> Float[Tensor, "*batch L"]:
        """|y_l - f_l|^2 / (2 d) of each position; the error of a sequence is their sum.

        Args:
            answers: f [*batch, L, d].
            inputs: the sequences [*batch, L, d] that they answer.
            targets: y [*batch, L, d] in place of the task's own.

        Raises:
            MechprobeError: one of them is of another shape or type, or the sequences are none of
                this task.
        """
        return self._gaps(answers, inputs, targets).square().sum(-1) / (2 * self.d)

    def errors(self, answers: Any, inputs: Any, targets: Any = None) -> Float[Tensor, " *batch"]:
        """|y - f|^2 / (2 d) of each sequence; arguments as of `token_losses`.

        Raises:
            MechprobeError: as `token_losses`.
        """
        return self._gaps(answers, inputs, targets).square().sum((-2, -1)) / (2 * self.d)

    def loss(self, answers: Any, inputs: Any, targets: Any = None) -> Float[Tensor, ""]:
        """Mean of the errors; on fresh sequences the paper's generalisation error. Arguments as of
        `token_losses`.

        Raises:
            MechprobeError: as `token_losses`, or there are no sequences.
        """
        errors = self.errors(answers, inputs, targets)
        refuse_none(errors.numel(), "the mean loss")
        return errors.mean()

    def _attention(self, x: Float[Tensor, "*batch L d"]) -> Float[Tensor, "*batch L L"]:
        h = x @ self.Q_star
        scores: Tensor = h @ h.mT / self.d
        return scores.softmax(-1)

    def _mixing(self, x: Float[Tensor, "*batch L d"]) -> Float[Tensor, "*batch L L"]:
        A = torch.tensor(self.A, dtype=x.dtype, device=x.device)
        return (1 - self.omega) * self._attention(x) + self.omega * A

    def _gaps(self, answers: Any, inputs: Any, targets: Any) -> Float[Tensor, "*batch L d"]:
        x = self.checked(inputs)
        wanted = self._mixing(x) @ x if targets is None else targets
        # Tensors of other shapes would be repeated to fit, without a word.
        for name, values in (("targets", wanted), ("answers", answers)):
            real_of_shape(values, x.shape, name)
        gaps: Tensor = wanted - answers
        return gaps

    def describe(self) -> dict[str, Any]:
        """The settings without tensors, ready for JSON."""
        return {
            "name": self.name,
            "L": self.L,
            "d": self.d,
            "omega": self.omega,
            "A": [list(row) for row in self.A],
            "sigma": list(self.sigma),
            "teacher_rank": self.Q_star.shape[1],
        }
