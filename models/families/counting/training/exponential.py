"""exp for compiled loops: in single precision a polynomial that the compiler can vectorise.

The library's function is called number by number, which takes a fifth of a training step.
Cody and Waite's reduction x = k log 2 + r and the coefficients of Cephes' expf: the relative error
is below 4e-7, a few times that of single precision itself.
(no_type_check: the tests' shape checks are Python wrappers, which numba cannot compile.)
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import types
from numba.extending import overload

_LOW = np.float32(-87.0)  # exp of less is no normal number in single precision
_LOG2E, _HALF, _ONE = np.float32(1.44269504), np.float32(0.5), np.float32(1.0)
_LOG2_HIGH, _LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C0, _C1, _C2, _C3, _C4, _C5 = (
    np.float32(c)
    for c in (1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
              1.6666665459e-1, 5.0000001201e-1)
)  # fmt: skip


def exp_below_zero(x: Any) -> Any:
    """exp(x) for x of at most 0 (and NaN for NaN), as compiled code calls it."""
    return math.exp(x)


@overload(exp_below_zero, inline="always")
@no_type_check
def _compiled(x):
    if x != types.float32:
        return lambda x: np.exp(x)

    def single(x):
        y = max(x, _LOW)
        k = np.floor(y * _LOG2E + _HALF)
        r = (y - k * _LOG2_HIGH) - k * _LOG2_LOW
        z = ((((_C0 * r + _C1) * r + _C2) * r + _C3) * r + _C4) * r + _C5
        z = z * r * r + r + _ONE
        power = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
        return z * power

    return single
