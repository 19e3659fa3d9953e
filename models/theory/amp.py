"""Approximate message passing on one instance of the solvable attention model.

The state evolution (evolution.py; arXiv:2402.03902) is the high-dimensional limit of this
iteration, so that its iterates, and not its fixed points alone, can be met by experiment. With
tokens x_mu,l, positions c = (1, -1), rows F = x / sqrt(d) of variance sigma^2 / d, and
m = <1, Q> / d:

    w_l = F_l Q + c_l m - V g_l'             g' of the iterate before; none in the first
    g = (X(w, V) - w) / V                    X the prox of the state evolution, targets from y
    Vhat = -(1/d) sum_mu div_w g             y_l = F_l Q* being the teacher's fields
    D = lam + sigma^2 Vhat
    Q <- [sum_mu,l (F_l + c_l 1/d) g_l + sigma^2 Vhat Q] / D,   V <- sigma^2 / D

At a fixed point w = X - V g, hence g is minus the derivative of the loss at the student's own
fields, and lam Q = sum (F + c 1/d) g: a stationary point of the training loss whatever Vhat is.
That loss is the one of wide tokens, sigma^2 [(S11 - t1)^2 + (S22 - t2)^2] a sample: the measured
one (families/solvable) differs by the overlaps x_1 x_2 / d between tokens, of order 1 / sqrt(d).

Jumps: the divergence within the prox's valleys lacks the delta functions at its jumps, which the
state evolution's averages, taken by Stein's lemma, contain. Without them V falls short (on the
positional branch at alpha = 2 by 5 to 12 %, many standard errors). So where any sample has two
valleys, E dg/dw is taken by Stein's lemma here as well: it is the coefficient of w in the linear
regression of g on the Gaussian fields (w, y). Where none has, the valleys' divergence is exact
and less noisy (by a third on the semantic branch at alpha = 2, where no sample jumps). A branch
with jumps is one where replica symmetry fails, and the iteration need not come to rest there.

Damping: multipliers of the iteration reach -6, nearly all through m. A shift of Q along ones is
a known direction, so holding back m alone (`m_damping`) has a state evolution of its own, exact
from iterate to iterate. Holding back all of Q (`damping`) has not (q then needs correlations
between iterates); it shares the fixed points. The correction of w for a damped Q is the same
average over past iterates as Q itself.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.theory.evolution import THETA, Evolution, M, Q, State, V
from mechprobe.models.theory.parameters import TheoryParameters
from mechprobe.models.theory.prox import outputs

# Share of the student's variance beyond which it is the teacher itself: the response to the
# student's fields at a given teacher can then not be told by Stein's lemma, here or in theory.
_COLLINEAR = 0.9999
_RUNAWAY = 10.0  # times the largest q that a global minimum can have, and the start's


@dataclass(frozen=True, eq=False)
class AmpTrajectory:
    """Iterates of message passing in the theory's convention; index 0 is the start.

    Args:
        q, m, theta: sigma^2 |Q|^2 / d, <1, Q> / d and sigma^2 <Q*, Q> / d.
        V: used together with the Q of the same index.
        Q: of the last iterate.
        change: |next Q - Q| / |Q| of each step taken.
        two_valleys: share of samples whose prox had two minima, each step.
        floored: steps whose curvature D came out below lam / 10 and was held there.
        converged: whether the last change came down to the tolerance.
        diverged: whether it was given up, an iterate not being finite or too long for a global
            minimum by far; Q is then the last finite one.
    """

    q: Float[np.ndarray, " iterates"]
    m: Float[np.ndarray, " iterates"]
    theta: Float[np.ndarray, " iterates"]
    V: Float[np.ndarray, " iterates"]
    Q: Float[np.ndarray, " d"]
    change: Float[np.ndarray, " steps"]
    two_valleys: Float[np.ndarray, " steps"]
    floored: int
    converged: bool
    diverged: bool

    @property
    def states(self) -> Float[np.ndarray, "iterates 4"]:
        """(q, m, theta, V) of each iterate, as the state evolution orders them."""
        return np.stack([self.q, self.m, self.theta, self.V], 1)


def run_amp(
    parameters: TheoryParameters,
    x: Float[np.ndarray, "n L d"],
    Q_star: Float[np.ndarray, " teacher_d"],
    start: Float[np.ndarray, " student_d"],
    start_V: float,
    iterations: int,
    damping: float = 0.0,
    *,
    m_damping: float = 0.0,
    tolerance: float = 1e-10,
    count_jumps: bool = True,
) -> AmpTrajectory:
    """Message passing on one instance, until it stands still, runs away or has had its turns.

    The state evolution describes it up to fluctuations of order 1 / sqrt(d), those of |Q*|^2 / d
    about 1 and of <1, Q*> / d about 0 among them, if the start does not depend on x.

    Args:
        parameters: of the model; n = alpha d, rounded.
        x: tokens without positional encodings, two a sample.
        Q_star: teacher.
        start: student; not along Q_star alone, but blended with independent noise.
        start_V: V of the first iterate, sigma^2 / (lam + sigma^2 Vhat) at a fixed point.
        iterations: steps at most.
        damping: share of the old Q and V kept, in [0, 1); above 0 the state evolution tells the
            fixed points alone.
        m_damping: share of the old m kept, in [0, 1).
        tolerance: converged where |next Q - Q| <= tolerance |Q|.
        count_jumps: False leaves the prox's jumps out of Vhat, as if it were continuous; the
            fixed points are the same, the path and V are not.

    Raises:
        MechprobeError: sizes that do not fit together or the parameters, values not finite, or an
            argument out of range.
    """
    _check(parameters, x, Q_star, start, start_V)
    _check_course(iterations, damping=damping, m_damping=m_damping)
    p, s2 = parameters, parameters.sigma**2
    n, _, d = x.shape
    # As in the prox: u, v = (first -+ second token) / sqrt(2); positions are seen by u alone.
    tokens = np.asarray(x, np.float64) / math.sqrt(2 * d)
    F = np.stack([tokens[:, 0] - tokens[:, 1], tokens[:, 0] + tokens[:, 1]])
    teacher = np.asarray(Q_star, np.float64)
    y = (F @ teacher).T
    t = _targets(p, y)
    student, v, fresh_v = np.asarray(start, np.float64), float(start_V), float(start_V)
    states = [_overlaps(student, teacher, v, s2)]
    limit = _RUNAWAY * max(s2 * s2 * p.alpha / p.lam, float(states[0][Q]))
    # The start does not know x, so nothing is to be taken off its fields.
    g, reaction = np.zeros((n, 2)), np.zeros((n, 2))
    changes: list[float] = []
    torn: list[float] = []
    floored, diverged = 0, False
    for _ in range(iterations):
        m = float(student.mean())
        reaction = damping * reaction + (1 - damping) * fresh_v * g
        w = (F @ student).T - reaction
        w[:, 0] += math.sqrt(2) * m
        g, divergence, two = outputs(w, t, v, s2)
        by_stein = count_jumps and bool(two.any())
        response = _stein(g, w, y) if by_stein else float(divergence.mean())
        vhat = -n / d * response
        least, curvature = 0.1 * p.lam, p.lam + s2 * vhat
        floored += curvature < least
        D = max(curvature, least)  # as the state evolution does
        pulled = F[0].T @ g[:, 0] + F[1].T @ g[:, 1] + math.sqrt(2) * g[:, 0].sum() / d
        ahead, fresh_v = (pulled + s2 * vhat * student) / D, s2 / D
        ahead -= m_damping * (ahead.mean() - m)
        ahead, v = damping * student + (1 - damping) * ahead, damping * v + (1 - damping) * fresh_v
        state = _overlaps(ahead, teacher, v, s2)
        if not np.isfinite(state).all():
            diverged = True
            break
        changes.append(float(np.linalg.norm(ahead - student) / np.linalg.norm(student)))
        torn.append(float(two.mean()))
        states.append(state)
        student = ahead
        if state[Q] > limit:
            diverged = True
            break
        if changes[-1] <= tolerance:
            break
    columns = np.stack(states, 1)
    return AmpTrajectory(
        q=columns[Q],
        m=columns[M],
        theta=columns[THETA],
        V=columns[V],
        Q=student.copy(),
        change=np.array(changes),
        two_valleys=np.array(torn),
        floored=floored,
        converged=not diverged and changes[-1] <= tolerance,
        diverged=diverged,
    )


def state_evolution_trajectory(
    parameters: TheoryParameters,
    start_state: State,
    iterations: int,
    log2_points: int = 16,
    seed: int = 0,
    *,
    m_damping: float = 0.0,
) -> Float[np.ndarray, "iterates 4"]:
    """Iterates of the state evolution, index 0 the start: what `run_amp` does as d grows.

    Args:
        parameters: of the model.
        start_state: (q, m, theta, V) of the first iterate.
        iterations: steps.
        log2_points: 2^log2_points quasi-random points.
        seed: of their scrambling.
        m_damping: share of the old m kept, in [0, 1).

    Raises:
        MechprobeError: no such start, or an argument out of range.
    """
    _check_course(iterations, m_damping=m_damping)
    if not 8 <= log2_points <= 22:
        raise MechprobeError(f"2^{log2_points} points: between 2^8 and 2^22 are wanted")
    state, s2 = np.asarray(start_state, np.float64), parameters.sigma**2
    if state.shape != (4,) or not np.isfinite(state).all() or state[Q] <= 0 or state[V] <= 0:
        raise MechprobeError(f"start {state}: finite (q, m, theta, V) with q, V > 0 are wanted")
    _check_collinear(state, s2)
    evolution, states = Evolution(parameters, log2_points, seed), [state]
    for _ in range(iterations):
        ahead = evolution.step(state, fresh=True).state.copy()  # whole steps: valleys open anew
        m = m_damping * state[M] + (1 - m_damping) * ahead[M]
        # Q is moved along ones, which changes its length by that part alone.
        ahead[Q] += s2 * (m**2 - ahead[M] ** 2)
        ahead[M] = m
        state = ahead
        states.append(state)
    return np.stack(states)


def _targets(p: TheoryParameters, y: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Diagonal of each sample's target mixing, from the teacher's fields (y_u, y_v)."""
    scores = np.stack([y[:, 0] * (y[:, 0] + y[:, 1]), y[:, 0] * (y[:, 0] - y[:, 1])], 1)
    attention = 1 / (1 + np.exp(-np.clip(scores, -40, 40)))
    mixing: np.ndarray = (1 - p.omega) * attention + p.omega * np.array([p.A[0][0], p.A[1][1]])
    return mixing


def _stein(
    g: Float[np.ndarray, "n 2"], w: Float[np.ndarray, "n 2"], y: Float[np.ndarray, "n 2"]
) -> float:
    """Mean of div_w g at fixed y, jumps included: for Gaussian fields mean slopes are regression
    coefficients."""
    fields = np.column_stack([np.ones(len(w)), w, y])
    slopes = np.linalg.lstsq(fields, g, rcond=None)[0]
    return float(slopes[1, 0] + slopes[2, 1])


def _overlaps(
    student: Float[np.ndarray, " d"], teacher: Float[np.ndarray, " d"], v: float, s2: float
) -> State:
    d = len(student)
    return np.array([s2 * (student @ student) / d, student.mean(), s2 * (teacher @ student) / d, v])


def _check(
    p: TheoryParameters,
    x: Float[np.ndarray, "n L d"],
    Q_star: Float[np.ndarray, " teacher_d"],
    start: Float[np.ndarray, " student_d"],
    start_V: float,
) -> None:
    if x.ndim != 3 or x.shape[1] != 2:
        raise MechprobeError(f"x: shape {x.shape}; (n, 2, d) is wanted")
    n, _, d = x.shape
    if n < 1 or abs(n - p.alpha * d) > 0.5 + 1e-9:
        raise MechprobeError(f"x: n={n} samples at d={d}; n = alpha d = {p.alpha * d:g} is wanted")
    for name, vector in (("Q_star", Q_star), ("start", start)):
        if vector.shape != (d,):
            raise MechprobeError(f"{name}: shape {vector.shape}; ({d},) is wanted, as x says")
    for name, values in (("x", x), ("Q_star", Q_star), ("start", start)):
        if not np.isfinite(values).all():
            raise MechprobeError(f"{name}: not all values are finite")
    if not start.any() or not Q_star.any():
        raise MechprobeError("start and Q_star: neither may be zero")
    if not (math.isfinite(start_V) and start_V > 0):
        raise MechprobeError(f"start_V={start_V}: a finite number above 0 is wanted")
    s2 = p.sigma**2
    teacher = Q_star * math.sqrt(d / float(Q_star @ Q_star))
    _check_collinear(_overlaps(start, teacher, start_V, s2), s2)


def _check_collinear(state: State, s2: float) -> None:
    share = float(state[THETA] ** 2 / (s2 * state[Q]))
    if share > _COLLINEAR:
        raise MechprobeError(
            f"start: the teacher explains {share:.6g} of it; blend it with independent noise"
            f" (at most {_COLLINEAR:g} is wanted)"
        )


def _check_course(iterations: int, **dampings: float) -> None:
    if iterations < 1:
        raise MechprobeError(f"iterations={iterations}: at least one is wanted")
    for name, damping in dampings.items():
        if not 0 <= damping < 1:
            raise MechprobeError(f"{name}={damping}: a share in [0, 1) is wanted")
