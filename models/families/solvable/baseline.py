"""The linear baseline: one fixed mixing matrix W for every sequence, y ~ W x.

A dense matrix is all that a layer attending to positions alone can learn; attention beats it
only where the content pays (arXiv:2402.03902, section 4, the dense linear layer).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.solvable.data import Dataset
from mechprobe.models.tasks import AttentionRegression


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """The best W, and its error |y - W x|^2 / (2 d) a sequence.

    Attributes:
        W: the mixing matrix.
        error: its mean error on what it was fitted to.
    """

    W: Float[Tensor, "L L"]
    error: float

    def error_on(self, data: Dataset, omega: float, A: Sequence[Sequence[float]]) -> float:
        """Mean error on other sequences; on fresh ones the generalisation error."""
        gap = data.mixing(omega, A) - self.W
        return ((gap @ data.G * gap).sum((-2, -1)).mean() / 2).item()


@settled()
def linear_baseline(data: Dataset, omega: float, A: Sequence[Sequence[float]]) -> LinearBaseline:
    """Least squares over a data set: W minimises the sum of |y - W x|^2."""
    T = data.mixing(omega, A)
    W = torch.linalg.solve(data.G.sum(0), (T @ data.G).sum(0), left=False)
    return LinearBaseline(W, LinearBaseline(W, 0.0).error_on(data, omega, A))


@settled()
def linear_population(
    task: AttentionRegression, n: int, generator: torch.Generator
) -> LinearBaseline:
    """The baseline for endless data and wide tokens, where tokens are orthogonal.

    Then W = E[T] and the error is sum_lk v_k Var(T_lk) / 2, with v_k the mean variance of the
    entries at position k. T depends on L teacher_rank Gaussians alone, so a million samples are
    cheap.

    Args:
        task: teacher, A, omega and tokens' scales.
        n: samples of the expectations (at least 2).
        generator: source of randomness.

    Raises:
        MechprobeError: n below 2, or a covariance that is not positive.
    """
    if n < 2:
        raise MechprobeError(f"n={n}: a variance needs at least two samples")
    Q = task.Q_star.double()
    if task.covariance is None:
        variances = torch.tensor(task.sigma, dtype=torch.float64).square()
        spread = variances.view(-1, 1, 1) * (Q.mT @ Q / task.d)
    else:
        covariance = task.covariance.double()
        variances = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)
        spread = Q.mT @ covariance @ Q / task.d
    # Not a Cholesky: a teacher with more columns than d, or of zero, has a singular one.
    scales, axes = torch.linalg.eigh(spread)
    if (scales < -1e-9 * scales.abs().amax()).any():
        raise MechprobeError("covariance: not positive definite as the teacher sees it")
    factor = axes * scales.clamp(min=0).sqrt().unsqueeze(-2)
    xi = draw_normal((n, task.L, Q.shape[1]), generator, torch.float64)
    h = (xi.unsqueeze(-2) @ factor.mT).squeeze(-2)
    A = torch.tensor(task.A, dtype=torch.float64)
    T = (1 - task.omega) * (h @ h.mT).softmax(-1) + task.omega * A
    return LinearBaseline(T.mean(0), (T.var(0) * variances).sum().item() / 2)
