"""L-BFGS for many problems at once, each with its own line search.

Why here: libraries (scipy, torch.optim) minimise one function at a time, while students over one
data set share the costly product with X. And the loss depends on Q through
h = X Q alone, so along a direction h moves on a straight line: one product with X pays for the
whole line search. Method: Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4;
line search by bisection for the weak Wolfe conditions, Lewis and Overton, Math. Program. 141
(2013) 135, algorithm 2.6.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.base.settled import settled
from mechprobe.models.families.solvable.problems import Problems

MEMORY = 10
ARMIJO, CURVATURE = 1e-4, 0.9
LINE_STEPS = 40
# No step is tried first that is longer than this share of the student's length (or of a tenth of
# sqrt(d)), so that a start finds the minimum of its own basin and not one that a long step fell
# into; the search goes further only while the loss keeps falling steeply.
REACH = 0.5


@dataclass(frozen=True, eq=False)
class Fit:
    """Minima, one a problem.

    Attributes:
        Q: the students.
        loss: total loss / d, which the paper calls the training loss (-Phi of the theory).
        grad_norm: Euclidean norm of the total loss' gradient, divided by sqrt(d).
        iterations: steps taken.
        converged: whether grad_norm came down to the tolerance; where not, the student is the
            best found and no minimum.
    """

    Q: Float[Tensor, "p d r"]
    loss: Float[Tensor, " p"]
    grad_norm: Float[Tensor, " p"]
    iterations: Int[Tensor, " p"]
    converged: Bool[Tensor, " p"]


@settled()
def minimise(
    problems: Problems,
    starts: Float[Tensor, "p d r"],
    tol: float = 1e-8,
    max_iterations: int = 1000,
) -> Fit:
    """Follow every problem from its start down to a minimum.

    Args:
        problems: what is minimised.
        starts: one student a problem.
        tol: a problem is done when |gradient|_2 <= tol sqrt(d). Overlaps are then right to about
            tol / the smallest curvature, which falls to 1e-3 at flat minima; over float32 data
            rounding allows no tol below about 1e-5.
        max_iterations: after as many steps a problem is given up.

    Returns:
        The students in double precision; those that did not converge are flagged.

    Raises:
        MechprobeError: not one finite student of the right width a problem.
    """
    final = problems.begin(starts)
    iterations = torch.zeros(problems.count, dtype=torch.long)
    state = _State(problems, final.clone())
    alive = torch.arange(problems.count)
    for iteration in range(max_iterations + 1):
        busy = (_norm(state.g) > tol * math.sqrt(problems.d)) & ~state.stuck
        if not busy.all():
            final[alive[~busy]] = state.Q[~busy]
            alive = alive[busy]
            if not len(alive):
                break
            state.keep(busy)
        if iteration == max_iterations:
            final[alive] = state.Q
            break
        state.step()
        iterations[alive] += 1
    loss, gradient = problems.evaluate(final)  # afresh: the fields of a run collect rounding
    grad_norm = _norm(gradient) / math.sqrt(problems.d)
    return Fit(final, loss / problems.d, grad_norm, iterations, grad_norm <= tol)


class _State:
    """The problems still running: students, fields, gradients, and the pairs of L-BFGS."""

    def __init__(self, problems: Problems, Q: Float[Tensor, "p d r"]) -> None:
        self.problems, self.Q = problems, Q
        self.h = problems.fields(Q)
        self.g = problems.gradient(Q, problems.slope(self.h).by_h)
        self.stuck = torch.zeros(len(Q), dtype=torch.bool)
        # Newest pair last: step, change of the gradient, 1 / their product (0: no such pair).
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self.scale = torch.zeros(len(Q), dtype=torch.float64)

    def keep(self, busy: Bool[Tensor, " p"]) -> None:
        """Drop the problems that are done."""
        self.problems = self.problems.take(busy.nonzero().squeeze(1))
        self.Q, self.h, self.g = self.Q[busy], self.h[busy], self.g[busy]
        self.stuck, self.scale = self.stuck[busy], self.scale[busy]
        self.pairs = [(s[busy], y[busy], rho[busy]) for s, y, rho in self.pairs]

    def step(self) -> None:
        """One quasi-Newton step of every problem."""
        direction = self._direction()
        dh = self.problems.fields(direction)
        t, slope = _line_search(self.problems, self.Q, direction, self.h, dh)
        # Without an acceptable step: once more along the gradient, and then give up.
        failed = t == 0
        self.stuck = failed & (self.scale == 0)
        s = _along(t, direction)
        self.Q = self.Q + s
        self.h = self.h + _along(t, dh)
        gradient = self.problems.gradient(self.Q, slope)
        y = gradient - self.g
        self.g = gradient
        product, square = _dot(s, y), _dot(y, y)
        good = product > 1e-14 * square
        self.scale = torch.where(good, product / square.clamp(min=1e-300), self.scale)
        self.scale = torch.where(failed, 0.0, self.scale)
        rho = torch.where(good, 1 / torch.where(good, product, 1.0), 0.0)
        self.pairs = [(a, b, torch.where(failed, 0.0, c)) for a, b, c in self.pairs]
        self.pairs = [*self.pairs, (s, y, rho)][-MEMORY:]

    def _direction(self) -> Float[Tensor, "p d r"]:
        q = -self.g
        kept = []
        for s, y, rho in reversed(self.pairs):
            a = rho * _dot(s, q)
            q = q - _along(a, y)
            kept.append(a)
        # No pair yet: any length of a gradient step; the line search widens it.
        first = 0.1 * self._length() / _norm(q).clamp(min=1e-300)
        q = _along(torch.where(self.scale > 0, self.scale, first), q)
        for (s, y, rho), a in zip(self.pairs, reversed(kept), strict=True):
            q = q + _along(a - rho * _dot(y, q), s)
        return _along((REACH * self._length() / _norm(q).clamp(min=1e-300)).clamp(max=1), q)

    def _length(self) -> Float[Tensor, " p"]:
        return _norm(self.Q).clamp(min=0.1 * math.sqrt(self.problems.d))


def _line_search(
    problems: Problems,
    Q: Float[Tensor, "p d r"],
    direction: Float[Tensor, "p d r"],
    h: Float[Tensor, "p L r n"],
    dh: Float[Tensor, "p L r n"],
) -> tuple[Float[Tensor, " p"], Float[Tensor, "p L r n"]]:
    """A step length of each problem (0: none found) and the loss' derivative by h there."""
    ridge1, ridge2 = problems.lam * _dot(Q, direction), problems.lam * _dot(direction, direction)

    def at(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        errors, by_h = problems.slope(h + _along(t, dh))
        change = errors - errors0
        rise = change.sum(-1) + t * ridge1 + t * t * ridge2 / 2
        return rise, (by_h * dh).sum((1, 2, 3)) + ridge1 + t * ridge2, by_h

    zero = torch.zeros(len(Q), dtype=torch.float64)
    errors0 = problems.slope(h).errors
    noise = 1e-13 * errors0.sum(-1)  # what rounding may pretend as a rise
    _, slope0, by_h0 = at(zero)
    low, high, t = zero, torch.full_like(zero, torch.inf), torch.ones_like(zero)
    done = slope0 >= 0  # no way down along this direction
    step, by_h = zero, by_h0
    for _ in range(LINE_STEPS):
        if done.all():
            break
        rise, slope, here = at(t)
        above = (rise > ARMIJO * t * slope0 + noise) | ~slope.isfinite()
        steep = ~above & (slope < CURVATURE * slope0)
        found = ~above & ~steep & ~done
        step = torch.where(found, t, step)
        by_h = torch.where(found.view(-1, 1, 1, 1), here, by_h)
        done = done | found
        high, low = torch.where(above, t, high), torch.where(steep, t, low)
        t = torch.where(high.isinf(), 2 * t, (low + high) / 2)
    return step, by_h


def _dot(a: Float[Tensor, "p d r"], b: Float[Tensor, "p d r"]) -> Float[Tensor, " p"]:
    return (a * b).sum((1, 2))


def _norm(a: Float[Tensor, "p d r"]) -> Float[Tensor, " p"]:
    return _dot(a, a).sqrt()


def _along(t: Float[Tensor, " p"], a: Float[Tensor, "p *shape"]) -> Float[Tensor, "p *shape"]:
    return t.view(-1, *[1] * (a.ndim - 1)) * a
