"""Order parameters of a student (arXiv:2402.03902, equation for m, theta and q)."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Overlaps(NamedTuple):
    """What the high-dimensional limit knows of a student; at rank one up to the sign of Q.

    Attributes:
        m: 1^T Q / d, with the positional direction.
        theta: Q*^T Q / d, with the teacher (the paper's tables give sigma^2 times this).
        q: Q^T Q / d, the student's own size.
    """

    m: Float[Tensor, "*batch r"]
    theta: Float[Tensor, "*batch teacher_rank r"]
    q: Float[Tensor, "*batch r r"]


def overlaps(Q: Float[Tensor, "*batch d r"], Q_star: Float[Tensor, "d teacher_rank"]) -> Overlaps:
    """Order parameters of one or many students of one teacher."""
    d = Q.shape[-2]
    return Overlaps(m=Q.sum(-2) / d, theta=Q_star.to(Q.dtype).mT @ Q / d, q=Q.mT @ Q / d)
