"""The proximal step of the state evolution, compiled: L = 2, rank one (arXiv:2402.03902).

For every quadrature point the step minimises, over x = (u, v),

    |x - w|^2 / (2 V) + sigma^2 [(S11 - t1)^2 + (S22 - t2)^2],
    S11 = s(u^2 + u v), S22 = s(u^2 - u v), s the logistic function.

This is not convex: as w moves the minimiser jumps from one valley to another. So the search is
started three times, from w and from the two points +-z where the second term is least. Two
valleys are there where w leans little to the minimum x, w.x / |x|^2 small: such points are
searched anew in every call, the others follow their minimum, which makes calls near by cheap.
(no_type_check: the tests' shape checks are Python wrappers, which numba cannot compile.)
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

from mechprobe.models.base.compiled import compiled

# Squared gradient norms, in units of 1/V; Newton's last step overshoots them by far.
_FLAT, _ROUGH = 1e-16, 1e-6
_SAME = 1e-4  # squared distance below which two minima are one
# Points that lean less than the furthest one with two valleys, and this much more, are watched.
_MARGIN = 1.1
# Two valleys count in the ratio exp(-value / blur). A hard choice would make the averages a
# staircase in the overlaps, on which no fixed point need exist; this one moves them by less
# than the quadrature's own error.
_BLUR = 3e-5


@njit(inline="always")
@no_type_check
def _logistic(z):
    return 1.0 / (1.0 + math.exp(-min(max(z, -40.0), 40.0)))


@njit(inline="always")
@no_type_check
def _targets(z, c, k, omega, a11, a22):
    """Diagonal of the teacher's mixing matrix for one point z = (xi_u, xi_v, eta_u, eta_v)."""
    yu, yv = c * z[2] + k * z[0], c * z[3] + k * z[1]
    t1 = (1.0 - omega) * _logistic(yu * (yu + yv)) + omega * a11
    t2 = (1.0 - omega) * _logistic(yu * (yu - yv)) + omega * a22
    return t1, t2


@njit(inline="always", error_model="numpy")
@no_type_check
def _energy(u, v, wu, wv, stiff, s2, t1, t2):
    """Value, gradient and Hessian of the prox's objective; stiff = 1/V, s2 = sigma^2."""
    p, q = _logistic(u * (u + v)), _logistic(u * (u - v))
    a, b, pp, qq = p - t1, q - t2, p * (1.0 - p), q * (1.0 - q)
    du, dv = u - wu, v - wv
    f = 0.5 * stiff * (du * du + dv * dv) + s2 * (a * a + b * b)
    d1, d2 = 2.0 * s2 * a * pp, 2.0 * s2 * b * qq
    h1 = 2.0 * s2 * pp * (pp + a * (1.0 - 2.0 * p))
    h2 = 2.0 * s2 * qq * (qq + b * (1.0 - 2.0 * q))
    z1, z2 = 2.0 * u + v, 2.0 * u - v
    gu, gv = stiff * du + d1 * z1 + d2 * z2, stiff * dv + (d1 - d2) * u
    huu = stiff + h1 * z1 * z1 + h2 * z2 * z2 + 2.0 * (d1 + d2)
    huv = (h1 * z1 - h2 * z2) * u + d1 - d2
    hvv = stiff + (h1 + h2) * u * u
    return f, gu, gv, huu, huv, hvv


@compiled(error_model="numpy")
@no_type_check
def descend(u, v, wu, wv, stiff, s2, t1, t2, flat):
    """The minimum downhill of (u, v): Newton's steps, damped where the curvature asks for it."""
    f, gu, gv, huu, huv, hvv = _energy(u, v, wu, wv, stiff, s2, t1, t2)
    for _ in range(60):
        if gu * gu + gv * gv < flat * stiff * stiff:
            break
        half = 0.5 * (huu - hvv)
        least = 0.5 * (huu + hvv) - math.sqrt(half * half + huv * huv)
        shift = max(0.0, 0.2 * stiff - least)
        lower = False
        for _ in range(20):
            a, c = huu + shift, hvv + shift
            r = 1.0 / (a * c - huv * huv)
            nu, nv = u - (c * gu - huv * gv) * r, v - (a * gv - huv * gu) * r
            fn, nu_g, nv_g, n1, n2, n3 = _energy(nu, nv, wu, wv, stiff, s2, t1, t2)
            if fn <= f + 1e-16:
                lower = True
                break
            shift = 4.0 * max(shift, 0.25 * stiff)
        if not lower:
            break
        u, v, f, gu, gv, huu, huv, hvv = nu, nv, fn, nu_g, nv_g, n1, n2, n3
    return u, v, f


@compiled(error_model="numpy")
@no_type_check
def search(wu, wv, stiff, s2, t1, t2):
    """Best minimum, the second best where there is one (else at infinity), and the lean."""
    au, av, af = descend(wu, wv, wu, wv, stiff, s2, t1, t2, _FLAT)
    bu, bv, bf = 0.0, 0.0, math.inf
    # Where the loss itself is least: u^2 + u v = logit t1 and u^2 - u v = logit t2.
    one, two = min(max(t1, 1e-12), 1.0 - 1e-12), min(max(t2, 1e-12), 1.0 - 1e-12)
    one, two = math.log(one / (1.0 - one)), math.log(two / (1.0 - two))
    u0 = math.sqrt(max(0.5 * (one + two), 0.09))
    v0 = 0.5 * (one - two) / u0
    for sign in (1.0, -1.0):
        u, v, f = descend(sign * u0, sign * v0, wu, wv, stiff, s2, t1, t2, _ROUGH)
        if (u - au) ** 2 + (v - av) ** 2 < _SAME:
            continue
        u, v, f = descend(u, v, wu, wv, stiff, s2, t1, t2, _FLAT)
        if (u - au) ** 2 + (v - av) ** 2 < _SAME:
            continue
        if f < af:
            bu, bv, bf, au, av, af = au, av, af, u, v, f
        elif f < bf:
            bu, bv, bf = u, v, f
    return au, av, af, bu, bv, bf, (wu * au + wv * av) / (au * au + av * av + 1e-30)


@compiled(error_model="numpy")
@no_type_check
def averages(
    points: Float[np.ndarray, "n 4"],
    q: float,
    m: float,
    theta: float,
    V: float,
    s2: float,
    omega: float,
    a11: float,
    a22: float,
    minima: Float[np.ndarray, "n 2"],
    torn: Bool[np.ndarray, " n"],
    fresh: bool,
) -> Float[np.ndarray, " 7"]:
    """Means over points of g_u, |g|^2, g.eta, g.xi, the minimum, the mse at w, and two valleys.

    Args:
        points: standard normal (xi_u, xi_v, eta_u, eta_v).
        q, m, theta, V: overlaps in the theory's convention.
        s2: sigma^2.
        omega, a11, a22: of the target.
        minima: of each point; read unless `fresh`, and written.
        torn: points that may have two valleys; read unless `fresh`, else written.
        fresh: search everywhere instead of following where it is safe.
    """
    n = len(points)
    stiff, root, offset = 1.0 / V, math.sqrt(q), math.sqrt(2.0) * m
    c, k = math.sqrt(max(s2 - theta * theta / q, 0.0)), theta / root
    total, lean, furthest = np.zeros(7), np.zeros(n if fresh else 0), 0.0
    for i in range(n):
        z = points[i]
        wu, wv = root * z[0] + offset, root * z[1]
        t1, t2 = _targets(z, c, k, omega, a11, a22)
        hu, hv, hf = 0.0, 0.0, math.inf
        if fresh or torn[i]:
            u, v, f, hu, hv, hf, leaning = search(wu, wv, stiff, s2, t1, t2)
            if fresh:
                lean[i] = leaning
            if hf < math.inf:
                total[6] += 1.0
                furthest = max(furthest, leaning)
        else:
            u, v, f = descend(minima[i, 0], minima[i, 1], wu, wv, stiff, s2, t1, t2, _FLAT)
        minima[i, 0], minima[i, 1] = u, v
        share = 1.0 if hf == math.inf else _logistic((hf - f) / _BLUR)
        for which in range(2):
            gu, gv = (u - wu) * stiff, (v - wv) * stiff
            total[0] += share * gu
            total[1] += share * (gu * gu + gv * gv)
            total[2] += share * (gu * z[2] + gv * z[3])
            total[3] += share * (gu * z[0] + gv * z[1])
            total[4] += share * f
            if share == 1.0 or which == 1:
                break
            u, v, f, share = hu, hv, hf, 1.0 - share
        p, r = _logistic(wu * (wu + wv)) - t1, _logistic(wu * (wu - wv)) - t2
        total[5] += 2.0 * s2 * (p * p + r * r)
    if fresh:
        for i in range(n):
            torn[i] = lean[i] < _MARGIN * furthest
    return total / n


@compiled(error_model="numpy")
@no_type_check
def outputs(
    w: Float[np.ndarray, "n 2"], t: Float[np.ndarray, "n 2"], V: float, s2: float
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Output function g = (x - w) / V of single samples and its slope; always a new search.

    Args:
        w: fields (w_u, w_v).
        t: targets (t1, t2).
        V: of the prox, theory's convention.
        s2: sigma^2.

    Returns:
        g; its divergence dg_u/dw_u + dg_v/dw_v within the valley of the minimum, where
        dx/dw = (1/V) H^-1 with H the objective's Hessian; and whether a second valley was found,
        across which g jumps where the two are equally deep.
    """
    n, stiff = len(w), 1.0 / V
    g, divergence, two = np.zeros((n, 2)), np.zeros(n), np.zeros(n, np.bool_)
    for i in range(n):
        wu, wv, t1, t2 = w[i, 0], w[i, 1], t[i, 0], t[i, 1]
        u, v, _, _, _, second, _ = search(wu, wv, stiff, s2, t1, t2)
        _, _, _, huu, huv, hvv = _energy(u, v, wu, wv, stiff, s2, t1, t2)
        g[i, 0], g[i, 1] = (u - wu) * stiff, (v - wv) * stiff
        trace = (huu + hvv) / (huu * hvv - huv * huv)
        divergence[i] = stiff * (stiff * trace - 2.0)
        two[i] = second < math.inf
    return g, divergence, two
