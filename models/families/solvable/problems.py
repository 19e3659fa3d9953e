"""The training loss of many students over one data set, with its gradient written out.

Loss of arXiv:2402.03902, section 2: sum over sequences of |y - f_Q(x)|^2 / (2 d), plus
lam / 2 |Q|^2. With h = (x+p) Q / sqrt(d) and S = softmax(h h^T) a sequence costs
(|y|^2 / d - 2 tr(S C^T) + tr(S K S^T)) / 2, K = (x+p)(x+p)^T / d, C = y (x+p)^T / d.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.models.families.solvable.data import Dataset


class Slope(NamedTuple):
    """Loss of the sequences and its derivative by their fields."""

    errors: Float[Tensor, "p n"]
    by_h: Float[Tensor, "p L r n"]


@dataclass(frozen=True, eq=False)
class Problems:
    """Training problems (one omega each) over one data set, one student each.

    Attributes:
        X: tokens with their positional encodings; products with it are in its own type, all
            else in double precision, so that a float32 X still gives a smooth loss.
        K: (x+p)(x+p)^T / d. Here and below the sequences come last: sums and softmaxes over a
            handful of positions are several times faster across long rows.
        C: y (x+p)^T / d for each problem.
        power: |y|^2 / d for each problem.
        lam: ridge strength.
    """

    X: Float[Tensor, "n L d"]
    K: Float[Tensor, "L L n"]
    C: Float[Tensor, "p L L n"]
    power: Float[Tensor, "p n"]
    lam: float

    @classmethod
    def of(cls, config: SolvableConfig, data: Dataset, omegas: Sequence[float]) -> "Problems":
        """One problem an omega, with A and lam of the configuration.

        Raises:
            MechprobeError: no omega, or one outside [0, 1].
        """
        if not omegas or not all(0 <= omega <= 1 for omega in omegas):
            raise MechprobeError(f"omegas {list(omegas)}: at least one is wanted, all in [0, 1]")
        C, power = data.targets(omegas, config.A)
        return cls(
            X=data.X,
            K=data.K.permute(1, 2, 0).contiguous(),
            C=C.permute(0, 2, 3, 1).contiguous(),
            power=power,
            lam=config.lam,
        )

    @property
    def count(self) -> int:
        """Number of problems."""
        return self.C.shape[0]

    @property
    def d(self) -> int:
        """Width of a token."""
        return self.X.shape[2]

    def take(self, index: Int[Tensor, " some"]) -> "Problems":
        """Some of the problems."""
        return Problems(self.X, self.K, self.C[index], self.power[index], self.lam)

    def begin(self, starts: Float[Tensor, "p d r"]) -> Float[Tensor, "p d r"]:
        """A copy of the starts in double precision.

        Raises:
            MechprobeError: not one finite student of the right width a problem.
        """
        if starts.shape[:2] != (self.count, self.d) or not starts.isfinite().all():
            raise MechprobeError(
                f"starts: shape {tuple(starts.shape)}; finite values of shape"
                f" ({self.count}, {self.d}, rank) are wanted, one student a problem"
            )
        return starts.detach().double().clone()

    def fields(self, Q: Float[Tensor, "p d r"]) -> Float[Tensor, "p L r n"]:
        """h = (x+p) Q / sqrt(d) of every problem, in one product with X."""
        n, L, d = self.X.shape
        # Students as rows: with few of them BLAS is several times faster than on columns.
        rows = Q.mT.reshape(-1, d).to(self.X.dtype)
        h = (rows @ self.X.view(n * L, d).mT).view(Q.shape[0], -1, n, L)
        return h.permute(0, 3, 1, 2).double().contiguous() / math.sqrt(d)

    def slope(self, h: Float[Tensor, "p L r n"]) -> Slope:
        """Error of every sequence, and its derivative by h."""
        S = _product(h, h.transpose(1, 2)).softmax(2)
        by_S = _product(S, self.K.unsqueeze(0))
        errors = (self.power + (S * (by_S - 2 * self.C)).sum((1, 2))) / 2
        by_S = S * (by_S - self.C)
        by_scores = by_S - S * by_S.sum(2, keepdim=True)
        return Slope(errors, _product(by_scores + by_scores.transpose(1, 2), h))

    def gradient(
        self, Q: Float[Tensor, "p d r"], by_h: Float[Tensor, "p L r n"]
    ) -> Float[Tensor, "p d r"]:
        """Gradient of the loss by Q, from its derivative by h."""
        n, L, d = self.X.shape
        rows = by_h.permute(0, 2, 3, 1).reshape(-1, n * L).to(self.X.dtype)
        pulled = (rows @ self.X.view(n * L, d)).view(self.count, -1, d)
        return pulled.mT.double() / math.sqrt(d) + self.lam * Q

    def evaluate(
        self, Q: Float[Tensor, "p d r"]
    ) -> tuple[Float[Tensor, " p"], Float[Tensor, "p d r"]]:
        """Loss of every problem (the sum over sequences, with the ridge) and its gradient."""
        errors, by_h = self.slope(self.fields(Q))
        loss = errors.sum(-1) + self.lam / 2 * Q.square().sum((-2, -1))
        return loss, self.gradient(Q, by_h)

    def errors(self, Q: Float[Tensor, "p d r"]) -> Float[Tensor, "p n"]:
        """|y - f|^2 / (2 d) of every student on every sequence, without the ridge; its mean
        over fresh sequences is the generalisation error."""
        return self.slope(self.fields(Q)).errors


def _product(a: Float[Tensor, "p i k n"], b: Float[Tensor, "q k j n"]) -> Float[Tensor, "p i j n"]:
    """Matrix products of every sequence, k by k: faster than batches of tiny matrices."""
    total = a[:, :, 0, None] * b[:, None, 0]
    for k in range(1, a.shape[2]):
        total = torch.addcmul(total, a[:, :, k, None], b[:, None, k])
    return total
