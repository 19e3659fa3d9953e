"""Training steps of models whose scores compare tokens (dot, dot+sftm, bos, bos+sftm), compiled.

Without positions everything is a table over pairs of tokens: scores S = E W_Q (E W_K)^T / sqrt(d)
and hidden inputs H = E W_in, once a step. A sequence is its distinct tokens x with their counts c;
equal tokens have equal answers, so one row a distinct token is enough, weighted by its count:
    w = softmax(S[x] + log c) or S[x] c,   h = H[x] + w H + b_in.
The function is that of arXiv:2407.11542, section 2, and so are its gradients.
(no_type_check: the tests' shape checks are Python wrappers, which numba cannot compile.)
"""

from typing import no_type_check

import numpy as np
from numba import njit

from mechprobe.models.base.compiled import compiled
from mechprobe.models.families.counting.training.exponential import exp_below_zero
from mechprobe.models.families.counting.training.kernel import (
    COMPILED,
    adam,
    inlined_sources,
    readout,
)


@njit(inline="always")
@no_type_check
def _views(flat, vocab, d, p, classes):
    """W_E, W_Q, W_K, W_in, b_in, W_out, b_out within a flat vector."""
    a = vocab * d
    b, c = a + d * d, a + 2 * d * d
    e = c + d * p
    f = e + p
    g = f + p * classes
    return (
        flat[:a].reshape((vocab, d)),
        flat[a:b].reshape((d, d)),
        flat[b:c].reshape((d, d)),
        flat[c:e].reshape((d, p)),
        flat[e:f],
        flat[f:g].reshape((p, classes)),
        flat[g:],
    )


@njit(inline="always")
@no_type_check
def _mix(scores, table, b_in, tokens, counts, distinct, softmax, bos, mixing, hidden):
    """Mixing weights and activations, a row a distinct token; returns the number of rows."""
    one, zero = scores.dtype.type(1), scores.dtype.type(0)
    start = scores.shape[0] - 1  # BOS's id
    slots = mixing.shape[1]
    r = 0
    for i in range(tokens.shape[0]):
        n = distinct[i]
        for a in range(n):
            x, w = tokens[i, a], mixing[r]
            for b in range(n):
                w[b] = scores[x, tokens[i, b]]
            if bos:
                w[n] = scores[x, start]
            if softmax:
                top = w[0]
                for b in range(1, n + bos):
                    top = max(top, w[b])
                for b in range(n + bos):
                    w[b] -= top
                for b in range(n + bos, slots):
                    w[b] = zero
            r += 1
    used = r
    if softmax:  # all rows at once, empty slots included: that is quicker than row by row
        every = mixing[:used].reshape(used * slots)
        for i in range(every.size):
            every[i] = exp_below_zero(every[i])
    r = 0
    for i in range(tokens.shape[0]):
        n = distinct[i]
        for a in range(n):
            w, h, own = mixing[r], hidden[r], table[tokens[i, a]]
            for b in range(n):
                w[b] *= counts[i, b]
            if softmax:
                total = zero
                for b in range(n + bos):
                    total += w[b]
                total = one / total
                for b in range(n + bos):
                    w[b] *= total
            for j in range(h.size):
                h[j] = own[j] + b_in[j]
            for b in range(n + bos):
                other, weight = table[tokens[i, b] if b < n else start], w[b]
                for j in range(h.size):
                    h[j] += weight * other[j]
            for j in range(h.size):
                h[j] = max(h[j], zero)
            r += 1
    return used


@njit(inline="always")
@no_type_check
def _mix_back(
    table, tokens, counts, distinct, softmax, bos, mixing, g_hidden, g_scores, g_table, gb_in, slope
):
    """Gradients of the tables from those of the rows."""
    zero = table.dtype.type(0)
    start = table.shape[0] - 1
    g_scores[:] = 0
    g_table[:] = 0
    gb_in[:] = 0
    r = 0
    for i in range(tokens.shape[0]):
        n = distinct[i]
        for a in range(n):
            x = tokens[i, a]
            w, g = mixing[r], g_hidden[r]
            own = g_table[x]
            for j in range(g.size):
                own[j] += g[j]
                gb_in[j] += g[j]
            mean = zero
            for b in range(n + bos):
                y = tokens[i, b] if b < n else start
                other, g_other, weight = table[y], g_table[y], w[b]
                s = zero
                for j in range(g.size):
                    s += g[j] * other[j]
                    g_other[j] += weight * g[j]
                slope[b] = s
                mean += weight * s
            for b in range(n + bos):
                y = tokens[i, b] if b < n else start
                if softmax:
                    g_scores[x, y] += w[b] * (slope[b] - mean)
                elif b < n:
                    g_scores[x, y] += slope[b] * counts[i, b]
                else:
                    g_scores[x, y] += slope[b]
            r += 1


@no_type_check
def _compile(sources):
    @compiled(**COMPILED)
    @no_type_check
    def dot_steps(
        flat, first, second, rates, at, tokens, counts, distinct, sizes, softmax, bos, fixed
    ):
        """Train on successive batches; returns how many steps were done before a loss that is no
        finite number (all of them where none was).

        flat, first, second [n]: weights and Adam's moments, changed in place; rates [steps]; at:
        the first step's number; tokens, counts [steps, batch, slots], distinct [steps, batch];
        sizes (vocab, d, p, classes); fixed: embeddings are not trained.
        """
        if sources == 0:  # never; see inlined_sources
            return 0
        vocab, d, p, classes = sizes
        kind = flat.dtype
        steps, batch, length = tokens.shape
        grad = np.zeros_like(flat)
        W_E, W_Q, W_K, W_in, b_in, W_out, b_out = _views(flat, vocab, d, p, classes)
        g_E, g_Q, g_K, g_in, gb_in, g_out, gb_out = _views(grad, vocab, d, p, classes)
        query, key = np.empty((vocab, d), kind), np.empty((vocab, d), kind)
        g_query, g_key, more = np.empty_like(query), np.empty_like(key), np.empty_like(key)
        scores, table = np.empty((vocab, vocab), kind), np.empty((vocab, p), kind)
        g_scores, g_table = np.empty_like(scores), np.empty_like(table)
        rows = batch * length
        hidden, g_hidden = np.empty((rows, p), kind), np.empty((rows, p), kind)
        mixing, answers = np.empty((rows, length + 1), kind), np.empty((rows, classes), kind)
        targets, shares = np.empty(rows, np.int64), np.empty(rows, kind)
        slope = np.empty(length + 1, kind)
        scale = kind.type(1.0 / np.sqrt(d))
        unit = kind.type(1.0 / (batch * length))
        for s in range(steps):
            np.dot(W_E, W_Q, query)
            np.dot(W_E, W_K, key)
            np.dot(query, key.T, scores)
            scores *= scale
            np.dot(W_E, W_in, table)
            x, c, n = tokens[s], counts[s], distinct[s]
            used = _mix(scores, table, b_in, x, c, n, softmax, bos, mixing, hidden)
            r = 0
            for i in range(batch):
                for a in range(n[i]):
                    targets[r] = c[i, a]
                    shares[r] = unit * c[i, a]
                    r += 1
            loss = readout(
                hidden[:used], W_out, b_out, targets, shares, g_out, gb_out,
                answers[:used], g_hidden[:used],
            )  # fmt: skip
            if not np.isfinite(loss):
                return s
            _mix_back(
                table, x, c, n, softmax, bos, mixing, g_hidden, g_scores, g_table, gb_in, slope
            )
            g_scores *= scale
            np.dot(g_scores, key, g_query)
            np.dot(g_scores.T, query, g_key)
            np.dot(W_E.T, g_query, g_Q)
            np.dot(W_E.T, g_key, g_K)
            np.dot(W_E.T, g_table, g_in)
            np.dot(g_query, W_Q.T, g_E)
            np.dot(g_key, W_K.T, more)
            g_E += more
            np.dot(g_table, W_in.T, more)
            g_E += more
            if fixed:  # embeddings without gradient: Adam leaves them where they are
                g_E[:] = 0
            adam(flat, grad, first, second, rates[s], at + s)
        return steps

    return dot_steps


dot_steps = _compile(inlined_sources())
