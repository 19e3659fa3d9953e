"""Training steps of models whose mixing is a learned constant matrix (lin, lin+sftm), compiled.

The matrix sees positions, so every position keeps its row. With H = E W_in once a step,
    h_i = H[x_i] + sum_j W_ij H[x_j] + b_in,
for a whole batch one product of the matrix with [pos, batch x p].
(no_type_check: the tests' shape checks are Python wrappers, which numba cannot compile.)
"""

from typing import no_type_check

import numpy as np
from numba import njit

from mechprobe.models.base.compiled import compiled
from mechprobe.models.families.counting.training.kernel import (
    COMPILED,
    adam,
    inlined_sources,
    readout,
)


@njit(inline="always")
@no_type_check
def _views(flat, vocab, pos, d, p, classes):
    """W_E, W_mix, W_in, b_in, W_out, b_out within a flat vector."""
    a = vocab * d
    b = a + pos * pos
    c = b + d * p
    e = c + p
    f = e + p * classes
    return (
        flat[:a].reshape((vocab, d)),
        flat[a:b].reshape((pos, pos)),
        flat[b:c].reshape((d, p)),
        flat[c:e],
        flat[e:f].reshape((p, classes)),
        flat[f:],
    )


@njit(inline="always")
@no_type_check
def _weights(W_mix, softmax, weights):
    """Rows of the mixing matrix at scored positions."""
    skip = W_mix.shape[0] - weights.shape[0]
    for i in range(weights.shape[0]):
        row = W_mix[i + skip]
        if softmax:
            weights[i] = np.exp(row - row.max())
            weights[i] /= weights[i].sum()
        else:
            weights[i] = row


@njit(inline="always")
@no_type_check
def _weights_back(weights, g_weights, softmax, g_mix):
    skip = g_mix.shape[0] - weights.shape[0]
    g_mix[:] = 0
    for i in range(weights.shape[0]):
        if softmax:
            g_mix[i + skip] = weights[i] * (g_weights[i] - (weights[i] * g_weights[i]).sum())
        else:
            g_mix[i + skip] = g_weights[i]


@no_type_check
def _compile(sources):
    @compiled(**COMPILED)
    @no_type_check
    def constant_steps(flat, first, second, rates, at, tokens, sizes, softmax, bos, fixed):
        """Train on successive batches; returns how many steps were done before a loss that is no
        finite number (all of them where none was).

        flat, first, second [n]: weights and Adam's moments, changed in place; rates [steps]; at:
        the first step's number; tokens [steps, batch, length] without BOS; sizes (vocab, d, p,
        classes); fixed: embeddings are not trained.
        """
        if sources == 0:  # never; see inlined_sources
            return 0
        vocab, d, p, classes = sizes
        kind = flat.dtype
        steps, batch, length = tokens.shape
        pos = length + bos
        zero = kind.type(0)
        grad = np.zeros_like(flat)
        W_E, W_mix, W_in, b_in, W_out, b_out = _views(flat, vocab, pos, d, p, classes)
        g_E, g_mix, g_in, gb_in, g_out, gb_out = _views(grad, vocab, pos, d, p, classes)
        table, g_table = np.empty((vocab, p), kind), np.empty((vocab, p), kind)
        weights, g_weights = np.empty((length, pos), kind), np.empty((length, pos), kind)
        rows = length * batch
        # Position-major: row i * batch + b is position i of sequence b.
        read, g_read = np.empty((pos * batch, p), kind), np.empty((pos * batch, p), kind)
        hidden, g_hidden = np.empty((rows, p), kind), np.empty((rows, p), kind)
        answers = np.empty((rows, classes), kind)
        targets = np.empty(rows, np.int64)
        shares = np.full(rows, kind.type(1.0 / rows), kind)
        flat_read, flat_g_read = read.reshape((pos, batch * p)), g_read.reshape((pos, batch * p))
        flat_hidden = hidden.reshape((length, batch * p))
        flat_g_hidden = g_hidden.reshape((length, batch * p))
        for s in range(steps):
            np.dot(W_E, W_in, table)
            _weights(W_mix, softmax, weights)
            x = tokens[s]
            for i in range(pos):
                for b in range(batch):
                    row, own = read[i * batch + b], table[x[b, i - bos] if i >= bos else vocab - 1]
                    for j in range(p):
                        row[j] = own[j]
            np.dot(weights, flat_read, flat_hidden)
            for i in range(length):
                for b in range(batch):
                    count = 0
                    for k in range(length):
                        count += x[b, k] == x[b, i]
                    targets[i * batch + b] = count
                    h, own = hidden[i * batch + b], read[(i + bos) * batch + b]
                    for j in range(p):
                        h[j] = max(h[j] + own[j] + b_in[j], zero)
            loss = readout(hidden, W_out, b_out, targets, shares, g_out, gb_out, answers, g_hidden)
            if not np.isfinite(loss):
                return s
            np.dot(weights.T, flat_g_hidden, flat_g_read)
            np.dot(flat_g_hidden, flat_read.T, g_weights)
            _weights_back(weights, g_weights, softmax, g_mix)
            g_table[:] = 0
            gb_in[:] = 0
            for i in range(pos):
                for b in range(batch):
                    g = g_read[i * batch + b]
                    own = g_table[x[b, i - bos] if i >= bos else vocab - 1]
                    if i >= bos:
                        h = g_hidden[(i - bos) * batch + b]
                        for j in range(p):
                            own[j] += g[j] + h[j]
                            gb_in[j] += h[j]
                    else:
                        for j in range(p):
                            own[j] += g[j]
            np.dot(W_E.T, g_table, g_in)
            np.dot(g_table, W_in.T, g_E)
            if fixed:  # embeddings without gradient: Adam leaves them where they are
                g_E[:] = 0
            adam(flat, grad, first, second, rates[s], at + s)
        return steps

    return constant_steps


constant_steps = _compile(inlined_sources())
