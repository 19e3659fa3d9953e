"""Training sequences, kept as what the loss needs of them (arXiv:2402.03902, section 2).

The loss sees a sequence only through x+p and a few L x L blocks. None of them knows omega or A:
one draw serves every task of one teacher.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.models.families.solvable.weights import task_of


@dataclass(frozen=True, eq=False)
class Dataset:
    """n sequences of one teacher; the blocks are in double precision whatever type X has.

    Attributes:
        X: tokens with their positional encodings, x+p.
        K: (x+p)(x+p)^T / d.
        cross: x (x+p)^T / d.
        G: x x^T / d.
        attention: the teacher's softmax attention.
    """

    X: Float[Tensor, "n L d"]
    K: Float[Tensor, "n L L"]
    cross: Float[Tensor, "n L L"]
    G: Float[Tensor, "n L L"]
    attention: Float[Tensor, "n L L"]

    @classmethod
    @settled()
    def draw(
        cls, config: SolvableConfig, weights: Weights, n: int, generator: torch.Generator
    ) -> "Dataset":
        """Draw n sequences; n is alpha d, rounded, at the sample complexity alpha.

        Args:
            config: sizes and scales; its omega and A play no part.
            weights: Q_star, W_pos and, where configured, covariance are read.
            n: how many.
            generator: source of randomness.

        Raises:
            MechprobeError: n below 1.
        """
        if n < 1:
            raise MechprobeError(f"n={n}: a data set needs at least one sequence")
        task = task_of(config, weights)
        x = task.sample(n, generator)
        X = (x + weights["W_pos"]).contiguous()
        return cls(
            X=X,
            K=(X @ X.mT / config.d).double(),
            cross=(x @ X.mT / config.d).double(),
            G=(x @ x.mT / config.d).double(),
            attention=task.attention(x).double(),
        )

    @property
    def n(self) -> int:
        """Number of sequences."""
        return self.X.shape[0]

    def mixing(self, omega: float, A: Sequence[Sequence[float]]) -> Float[Tensor, "n L L"]:
        """The target mixing T = (1 - omega) softmax + omega A of each sequence."""
        return (1 - omega) * self.attention + omega * torch.tensor(
            A, dtype=torch.float64, device="cpu"
        )

    def targets(
        self, omegas: Sequence[float], A: Sequence[Sequence[float]]
    ) -> tuple[Float[Tensor, "p n L L"], Float[Tensor, "p n"]]:
        """What the loss needs of the targets y = T x, for one omega a problem.

        Returns:
            y (x+p)^T / d and |y|^2 / d of each problem and sequence.
        """
        T = torch.stack([self.mixing(omega, A) for omega in omegas])
        return T @ self.cross, (T @ self.G * T).sum((-2, -1))
