"""State evolution of the solvable attention model, any L and ranks (arXiv:2402.03902).

With D = lam + Vhat, averages over the fields
h_l ~ N(c_l m, sigma_l^2 R) and y_l ~ N(0, sigma_l^2), cov(y_l, h_l) = sigma_l^2 theta, and
X = argmin 1/2 sum_l (X_l - h_l) (sigma_l^2 chi)^-1 (X_l - h_l)^T + ell(X), g = -d ell(X) / dX:
    mhat = alpha sum_l c_l E g_l              qhat = alpha sum_l sigma_l^2 E g_l^T g_l
    thetahat = alpha sum_l sigma_l^2 E dg_l/dy_l      Vhat = -alpha sum_l sigma_l^2 E dg_l/dh_l
    m = mhat / D    theta = thetahat / D    chi = 1 / D
    R = (qhat + mhat^T mhat + thetahat^T thetahat) between two 1 / D.
The derivatives are taken by Stein's lemma, for X jumps between minima. For L = 2, rank one:
q = sigma^2 R, V = sigma^2 chi, theta_paper = sigma^2 theta and thetahat = sigma^2 thetahat_paper.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.branch import Branch
from mechprobe.models.theory.evolution import normal_points
from mechprobe.models.theory.general.prox import attention_loss, minimise, starts
from mechprobe.models.theory.parameters import Mixing, check_mixing

TINY = 1e-12  # smallest eigenvalue a covariance may have
FALL = 3.0  # D may shrink by this factor in one step: far from a fixed point it may be negative


@dataclass(frozen=True)
class GeneralProblem:
    """L tokens, student of rank r, teacher of rank r*, d to infinity with n = alpha d samples.

    Tokens x_l ~ N(0, sigma_l^2), positions c_l ones / sqrt(d) with c = 1 ... -1 evenly spaced.
    Student softmax(h h^T) of h = (x + p) Q / sqrt(d); target (1 - omega) softmax(y y^T) + omega A
    of y = x Q* / sqrt(d); loss sum_mu |y - f|^2 / (2d) + lam/2 |Q|^2.

    Args:
        alpha: samples per dimension, above 0.
        omega: weight of A in the target, in [0, 1].
        lam: ridge penalty, above 0.
        sigma: standard deviation of the coordinates at each of L >= 2 positions, above 0.
        A: row-stochastic L x L mixing matrix.
        rank, teacher_rank: columns of Q and Q*, at least 1.

    Raises:
        MechprobeError: a parameter that no such model can have, or L (rank + teacher_rank) > 64.
    """

    alpha: float
    omega: float
    lam: float
    sigma: tuple[float, ...]
    A: Mixing
    rank: int = 1
    teacher_rank: int = 1

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("lam", self.lam)):
            if not (math.isfinite(value) and value > 0):
                raise MechprobeError(f"{name}={value}: a finite number above 0 is wanted")
        if not 0 <= self.omega <= 1:
            raise MechprobeError(f"omega={self.omega}: a weight between 0 and 1 is wanted")
        L = len(self.sigma)
        if L < 2 or not all(math.isfinite(s) and s > 0 for s in self.sigma):
            raise MechprobeError(f"sigma={self.sigma}: at least two finite numbers above 0")
        check_mixing(self.A, L)
        if min(self.rank, self.teacher_rank) < 1 or L * (self.rank + self.teacher_rank) > 64:
            raise MechprobeError(
                f"rank={self.rank}, teacher_rank={self.teacher_rank}: at least 1 each, and at most"
                f" {64 // L} together for L={L} (quasi Monte Carlo in 64 dimensions)"
            )


class Overlaps(NamedTuple):
    """m = Q^T 1/d [r]; theta = Q*^T Q/d [r*, r]; R = Q^T Q/d [r, r]; chi [r, r], the response."""

    m: Tensor
    theta: Tensor
    R: Tensor
    chi: Tensor


class Hats(NamedTuple):
    """Their conjugates: m [r], theta [r*, r], V [r, r] and q [r, r]."""

    m: Tensor
    theta: Tensor
    V: Tensor
    q: Tensor


class Step(NamedTuple):
    """One application of the equations, and averages at the overlaps it started from."""

    overlaps: Overlaps
    hats: Hats
    gen_error: float
    train_loss: float


class GeneralEvolution:
    """The equations on one set of points; remembers the prox's minima from call to call.

    Args:
        problem: its parameters.
        branch: which overlaps stay zero.
        points: a power of two.
        number: of the point set.
    """

    def __init__(self, problem: GeneralProblem, branch: Branch, points: int, number: int) -> None:
        p, L = problem, len(problem.sigma)
        self.problem, self.branch = problem, branch
        # With every xi its mirror image: m = 0 and theta = 0 stay exact solutions.
        flat = normal_points(points.bit_length() - 2, number, L * (p.rank + p.teacher_rank))
        # The quantile of a point at zero would be infinite.
        normal = torch.tensor(flat.clip(-8, 8), dtype=torch.float64).view(points // 2, L, -1)
        xi, eta = normal[..., : p.rank], normal[..., p.rank :]
        self.xi, self.eta = torch.cat([xi, -xi]), torch.cat([eta, eta])
        self.sigma = torch.tensor(p.sigma, dtype=torch.float64).view(-1, 1)
        self.c = torch.linspace(1, -1, L, dtype=torch.float64).view(-1, 1)
        self.A = torch.tensor(p.A, dtype=torch.float64)
        self.minima: Tensor | None = None

    def initial(self, size: float) -> Overlaps:
        """A start on the branch, its own overlap (m or theta) of that size."""
        p = self.problem
        m = torch.zeros(p.rank, dtype=torch.float64)
        theta = torch.zeros(p.teacher_rank, p.rank, dtype=torch.float64)
        if self.branch == "positional":
            m[0] = size
        if self.branch == "semantic":
            theta.fill_diagonal_(size)
        unit = torch.eye(p.rank, dtype=torch.float64)
        noise = torch.outer(m, m) + theta.mT @ theta + 0.2 * unit
        return Overlaps(m, theta, noise, unit / (2 * p.lam))

    def step(self, at: Overlaps) -> Step:
        """Fields, their prox, the hats, and the overlaps that follow."""
        p, s = self.problem, self.sigma.square().flatten()
        root = _root(at.R)
        # y_l = sigma_l (xi_l shared^T + eta_l own), h_l = c_l m + sigma_l xi_l root.
        shared = at.theta @ torch.linalg.inv(root)
        own = _root(torch.eye(p.teacher_rank, dtype=s.dtype) - shared @ shared.mT)
        w = self.c * at.m + self.sigma * (self.xi @ root)
        y = self.sigma * (self.xi @ shared.mT + self.eta @ own)
        target = (1 - p.omega) * (y @ y.mT).softmax(-1) + p.omega * self.A
        stiffness = torch.linalg.inv(at.chi) / s.view(-1, 1, 1)
        x = minimise(starts(w, y, self.minima), w, stiffness, target, s)
        self.minima = x
        g = torch.einsum("lab,nlb->nla", stiffness, x - w)
        hats = self._hats(g, root, shared, own)
        chi = self._response(hats.V, at.chi)
        spread = hats.q + torch.outer(hats.m, hats.m) + hats.theta.mT @ hats.theta
        ridge = p.lam / 2 * float(at.R.trace())
        return Step(
            Overlaps(chi @ hats.m, hats.theta @ chi, chi @ spread @ chi, chi),
            hats,
            float(attention_loss(w, target, s).mean()),
            p.alpha * float(attention_loss(x, target, s).mean()) + ridge,
        )

    def _hats(
        self,
        g: Float[Tensor, "n L r"],
        root: Float[Tensor, "r r"],
        shared: Float[Tensor, "t r"],
        own: Float[Tensor, "t t"],
    ) -> Hats:
        """Averages of g; E dg/dy and E dg/dh from E g eta and E g xi by Stein's lemma."""
        alpha, n = self.problem.alpha, len(g)
        # Both slopes already summed over positions with weight sigma_l^2.
        with_eta = torch.einsum("l,nla,nlb->ab", self.sigma.flatten(), g, self.eta) / n
        with_xi = torch.einsum("l,nla,nlb->ab", self.sigma.flatten(), g, self.xi) / n
        slope_y = with_eta @ torch.linalg.inv(own)
        slope_h = (with_xi - slope_y @ shared) @ torch.linalg.inv(root)
        m = alpha * (self.c * g.mean(0)).sum(0)
        theta = alpha * slope_y.mT
        return Hats(
            m if self.branch == "positional" else torch.zeros_like(m),
            theta if self.branch == "semantic" else torch.zeros_like(theta),
            -alpha / 2 * (slope_h + slope_h.mT),
            alpha * torch.einsum("l,nla,nlb->ab", self.sigma.square().flatten(), g, g) / n,
        )

    def _response(
        self, V: Float[Tensor, "r r"], before: Float[Tensor, "r r"]
    ) -> Float[Tensor, "r r"]:
        """1 / (lam + Vhat), kept positive and of the size before."""
        values, vectors = torch.linalg.eigh(V)
        least = 1 / (FALL * float(torch.linalg.eigvalsh(before).max()))
        response: Tensor = (vectors / (self.problem.lam + values).clamp(min=least)) @ vectors.mT
        return response


def _root(matrix: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=TINY).sqrt()) @ vectors.mT
    return root
