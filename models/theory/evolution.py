"""One step of the state evolution, averages by quasi Monte Carlo (arXiv:2402.03902, L = 2, r = 1).

Overlaps are those of the theory: q, V and theta carry a factor sigma^2 over the ones measured on
weights (q = sigma^2 |Q|^2/d, theta = sigma^2 <Q*, Q>/d), m = <1, Q>/d carries none.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, qmc

from mechprobe.models.theory.parameters import TheoryParameters
from mechprobe.models.theory.prox import averages

Q, M, THETA, V = range(4)  # places of the overlaps in a state
State = Float[np.ndarray, " 4"]


@dataclass(frozen=True)
class Step:
    """What one evaluation of the equations gives.

    Args:
        state: next (q, m, theta, V).
        qhat, mhat, thetahat, Vhat: conjugate overlaps.
        energy: training loss / d, -Phi, exact to second order near a fixed point.
        mse: E |y - f|^2 / d on fresh data, twice the generalisation error.
        two_valleys: share of points whose prox has two minima.
    """

    state: State
    qhat: float
    mhat: float
    thetahat: float
    Vhat: float
    energy: float
    mse: float
    two_valleys: float


@lru_cache(maxsize=8)
def normal_points(log2: int, seed: int, dimensions: int = 4) -> Float[np.ndarray, "n dim"]:
    """2^log2 standard normal points: a scrambled Sobol sequence through the normal quantile."""
    points: np.ndarray = norm.ppf(qmc.Sobol(dimensions, rng=seed).random_base2(log2))
    points.setflags(write=False)
    return points


class Evolution:
    """The equations on one set of points; remembers the prox's minima from call to call.

    Args:
        parameters: of the model.
        log2: 2^log2 points: quasi-random ones and as many with xi mirrored.
        seed: of their scrambling.
    """

    def __init__(self, parameters: TheoryParameters, log2: int, seed: int) -> None:
        self.parameters = parameters
        half = normal_points(log2 - 1, seed)
        # Mirrored, so that m = theta = 0 solves the equations on a finite set as well: else its
        # bias passes for a small overlap where there is no branch.
        self.points = np.concatenate([half, half * np.array([-1.0, -1.0, 1.0, 1.0])])
        n = len(self.points)
        self._minima, self._torn = np.zeros((n, 2)), np.zeros(n, np.bool_)
        self._begun = False

    def step(self, state: State, fresh: bool = False) -> Step:
        """Evaluate the equations.

        Args:
            state: (q, m, theta, V); q and V above 0, theta^2 at most sigma^2 q.
            fresh: search every prox anew; else minima of the last call are followed.
        """
        p = self.parameters
        q, m, theta, v = (float(value) for value in state)
        s2 = p.sigma**2
        g_u, gg, g_eta, g_xi, least, mse, two = averages(
            self.points, q, m, theta, v, s2, p.omega, p.A[0][0], p.A[1][1],
            self._minima, self._torn, fresh or not self._begun,
        )  # fmt: skip
        self._begun = True
        unexplained = math.sqrt(max(s2 - theta**2 / q, 1e-12 * s2))
        mhat, qhat = p.alpha * math.sqrt(2) * g_u, p.alpha * gg
        thetahat = p.alpha * g_eta / unexplained
        vhat = -p.alpha * g_xi / math.sqrt(q) + theta * thetahat / q
        # A step far from a fixed point may ask for a negative curvature; it is held above zero.
        D = max(p.lam + vhat * s2, 0.1 * p.lam)
        power = s2 * qhat + mhat**2 + s2**2 * thetahat**2
        phi = (vhat * q - qhat * v) / 2 - m * mhat - theta * thetahat + power / (2 * D)
        return Step(
            state=np.array([s2 * power / D**2, mhat / D, s2**2 * thetahat / D, s2 / D]),
            qhat=qhat,
            mhat=mhat,
            thetahat=thetahat,
            Vhat=vhat,
            energy=p.alpha * least - phi,
            mse=mse,
            two_valleys=two,
        )


def linear_mse(parameters: TheoryParameters, log2: int = 16, seed: int = 0) -> float:
    """E |y - W x|^2 / d of the best dense linear (positional) mixing matrix W.

    2 sigma^2 (Var t1 + Var t2): the best W is the mean of the target's mixing matrix.
    """
    p = parameters
    y = p.sigma * normal_points(log2, seed)[:, :2]

    def softmax_diagonal(v: np.ndarray) -> np.ndarray:
        spread: np.ndarray = (1 - p.omega) / (1 + np.exp(-y[:, 0] * (y[:, 0] + v)))
        return spread

    t1, t2 = softmax_diagonal(y[:, 1]), softmax_diagonal(-y[:, 1])
    return float(2 * p.sigma**2 * (t1.var() + t2.var()))
