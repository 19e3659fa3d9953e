"""Parts of a compiled training step that all architectures share: read-out and optimiser.

One model at a time: its weights, gradients and one batch's activations fit a core's cache, which
is what makes a step fast; and no result can depend on who else is trained.
Sums may be reordered by the compiler (same machine type, same order), but numbers that are not
finite keep their meaning, for they are how divergence is seen.
(no_type_check: the tests' shape checks are Python wrappers, which numba cannot compile.)
"""

import hashlib
from pathlib import Path
from typing import no_type_check

import numpy as np
from numba import njit

from mechprobe.models.families.counting.training.exponential import exp_below_zero

FAST = {"reassoc", "contract", "nsz", "arcp"}
# How the steps are compiled. Helpers are inlined: a function that numba compiles and one that it
# loads from its cache may otherwise call differently optimised copies, whose bits differ.
COMPILED = {"fastmath": FAST, "nogil": True, "error_model": "numpy"}
BETAS = (0.9, 0.98)
EPS = 1e-9


def inlined_sources() -> int:
    """A number that changes with the files that both kinds of steps inline.

    numba's cache knows a function by its own file and by what it closes over, so the steps close
    over this: an edit here would leave them compiled as they were.
    """
    folder = Path(__file__).parent
    texts = [(folder / name).read_bytes() for name in ("kernel.py", "exponential.py")]
    return int.from_bytes(hashlib.sha256(b"".join(texts)).digest()[:7], "big") + 1


@njit(inline="always")
@no_type_check
def readout(hidden, W_out, b_out, targets, shares, g_out, gb_out, answers, g_hidden):
    """Cross-entropy of rows relu(h) and its gradients; returns the loss.

    hidden [rows, p] after the ReLU; targets [rows]; shares [rows], the weight of each row in the
    loss; fills g_out [p, classes], gb_out [classes] and g_hidden [rows, p], the gradient before
    the ReLU; answers [rows, classes] is working space.
    """
    rows, classes = answers.shape
    zero = hidden.dtype.type(0)
    np.dot(hidden, W_out, answers)
    gb_out[:] = 0
    loss = 0.0
    for r in range(rows):
        top = answers[r, 0] + b_out[0]
        for k in range(classes):
            answers[r, k] += b_out[k]
            top = max(top, answers[r, k])
        for k in range(classes):
            answers[r, k] -= top
        loss -= shares[r] * answers[r, targets[r]]
    every = answers.reshape(rows * classes)
    for i in range(every.size):
        every[i] = exp_below_zero(every[i])
    for r in range(rows):
        total = zero
        for k in range(classes):
            total += answers[r, k]
        loss += shares[r] * np.log(total)
        scale = shares[r] / total
        for k in range(classes):
            answers[r, k] *= scale
        answers[r, targets[r]] -= shares[r]
        for k in range(classes):
            gb_out[k] += answers[r, k]
    np.dot(hidden.T, answers, g_out)
    np.dot(answers, W_out.T, g_hidden)
    for r in range(rows):
        for j in range(hidden.shape[1]):
            g_hidden[r, j] = g_hidden[r, j] if hidden[r, j] > zero else zero
    return loss


@njit(inline="always")
@no_type_check
def adam(flat, grad, first, second, rate, step):
    """One step of Adam on all weights at once; `step` counts from 0."""
    kind = flat.dtype.type
    beta1, beta2, one = kind(BETAS[0]), kind(BETAS[1]), kind(1)
    size = kind(rate / (1.0 - BETAS[0] ** (step + 1)))
    root = kind(1.0 / np.sqrt(1.0 - BETAS[1] ** (step + 1)))
    eps = kind(EPS)
    for i in range(flat.size):
        g = grad[i]
        first[i] = beta1 * first[i] + (one - beta1) * g
        second[i] = beta2 * second[i] + (one - beta2) * g * g
        flat[i] -= size * first[i] / (np.sqrt(second[i]) * root + eps)
