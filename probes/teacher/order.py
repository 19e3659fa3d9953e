"""Order parameters of a student, their finite-size error and noise (arXiv:2402.03902)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechprobe.models.families.solvable import overlaps
from mechprobe.probes.teacher.context import TeacherContext

REPLICATES = 200
LEVEL = 0.99  # quantile of the null that an overlap has to pass to be there
MOST_RANDOM = f"{100 * LEVEL:g} %"  # in words


@dataclass(frozen=True)
class OrderParameter:
    """The size of an overlap against what chance gives.

    Args:
        value: norm of the overlap, for it is defined up to a rotation (at rank one the sign).
        replicates: the same on resampled coordinates, for its finite-size error.
        null: the same for random students of equal size.
    """

    value: float
    replicates: Float[np.ndarray, " replicates"]
    null: Float[np.ndarray, " draws"]

    @property
    def error(self) -> float:
        """Standard error from the finite number of coordinates."""
        return float(self.replicates.std())

    @property
    def threshold(self) -> float:
        """What a share LEVEL of random students stays below."""
        return float(np.quantile(self.null, LEVEL))

    @property
    def present(self) -> bool:
        """Whether the overlap is more than chance gives."""
        return self.value > self.threshold


@dataclass(frozen=True)
class OrderParameters:
    """m, theta and q of a student; q without a null, for random students have the same."""

    m: OrderParameter
    theta: OrderParameter
    q: float
    q_error: float


def order_parameters(context: TeacherContext) -> OrderParameters:
    """Measure m = |1^T Q|/d, theta = |Q*^T Q|/d (Frobenius) and q = tr Q^T Q/d."""
    Q, Q_star, o = context.Q, context.Q_star, context.overlaps
    generator = context.generator("coordinates")
    resampled = np.empty((3, REPLICATES))
    for i in range(REPLICATES):
        rows = context.rows(generator)
        again = overlaps(Q[rows], Q_star[rows])
        sizes = again.m.norm(), again.theta.norm(), again.q.trace()
        resampled[:, i] = [size.item() for size in sizes]
    null = {name: draws.numpy() for name, draws in context.null.items()}
    return OrderParameters(
        m=OrderParameter(o.m.norm().item(), resampled[0], null["m"]),
        theta=OrderParameter(o.theta.norm().item(), resampled[1], null["theta"]),
        q=o.q.trace().item(),
        q_error=float(resampled[2].std()),
    )
