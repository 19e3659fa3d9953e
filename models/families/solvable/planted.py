"""Students with order parameters of one's choice: the known answers that probes are tested on."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.settled import settled


@settled()
def planted(
    Q_star: Float[Tensor, "d teacher_rank"],
    rank: int,
    generator: torch.Generator,
    *,
    m: float = 0.0,
    theta: float = 0.0,
    noise: float = 0.0,
) -> Float[Tensor, "d rank"]:
    """Q = m along ones in its first column, theta Q* in its first columns, and noise.

    Ones and Q* are nearly orthogonal for large d, so that <1, Q>/d = m and <Q*, Q>/d = theta up
    to O(1/sqrt(d)); |Q|^2/d is m^2 + theta^2 + noise^2 a column.

    Args:
        Q_star: the teacher, entries of unit variance.
        rank: columns of the student.
        generator: of the noise.
        m, theta: overlaps.
        noise: standard deviation of the rest.
    """
    d = Q_star.shape[0]
    Q = noise * draw_normal((d, rank), generator, Q_star.dtype)
    Q[:, 0] += m
    both = min(rank, Q_star.shape[1])
    Q[:, :both] += theta * Q_star[:, :both]
    return Q
