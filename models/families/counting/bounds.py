"""Widths from which counting is known or allowed to be possible (arXiv:2407.11542).

Below d = T the embeddings of T tokens overlap. Their mutual coherence mu, the largest overlap of
two unit embeddings, is at least that of the Welch bound, sqrt((T - d) / (d (T - 1))). Counts are
whole numbers, so that a construction still answers rightly while what overlaps add stays below
half a count: for sequences of length L up to mu = 1 / (2L - 3), or up to mu^2 = 1 / (2L - 3) where
a second comparison, in the read-out, multiplies overlaps once more. Solving Welch's bound for d
gives the widths below; the paper's public code draws them into its figure 2 under the names
bound1, bound2 and bound3.
"""

import math

from mechprobe.models.base.errors import MechprobeError


def welch_coherence(T: int, d: int) -> float:
    """The least mutual coherence of T unit vectors in d dimensions (Welch 1974); 0 from d = T on.

    Raises:
        MechprobeError: T below 2 or d below 1.
    """
    _check(T=T)
    if d < 1:
        raise MechprobeError(f"d={d}: at least 1 is wanted")
    return math.sqrt(max(0, T - d) / (d * (T - 1)))


def lookup_width(T: int, L: int) -> int:
    """d >= ceil(T (2L-3)^2 / (T - 1 + (2L-3)^2)): a look-up over a constant mixing matrix.

    Welch's bound at mu = 1 / (2L - 3); arXiv:2407.11542 for lin and lin+sftm with p = T (bound1 of
    its code).

    Raises:
        MechprobeError: T or L below 2.
    """
    return _least_width(T, L, power=2)


def relation_width(T: int, L: int) -> int:
    """`lookup_width` + 1: one neuron reads a count that dot-product attention wrote.

    The additional dimension is the counting direction; arXiv:2407.11542 for dot and bos with p = 1
    (bound2 of its code).

    Raises:
        MechprobeError: T or L below 2.
    """
    return lookup_width(T, L) + 1


def relational_lookup_width(T: int, L: int) -> int:
    """d >= ceil(T (2L-3) / (T - 1 + (2L-3))): a look-up over dot-product attention.

    Attention and read-out both compare tokens, so that overlaps enter squared: Welch's bound at
    mu^2 = 1 / (2L - 3); arXiv:2407.11542 for dot and bos with p = T (bound3 of its code).

    Raises:
        MechprobeError: T or L below 2.
    """
    return _least_width(T, L, power=1)


def softmax_width(T: int) -> int:
    """d = ceil(log2(T + 1)) + 2: bos+sftm with a small temperature, p = 1.

    Binary codes of the tokens, a constant coordinate and a BOS axis (arXiv:2407.11542, explicit
    construction below d = T; `construct("bos+sftm-binary")`).

    Raises:
        MechprobeError: T below 2.
    """
    _check(T=T)
    return T.bit_length() + 2  # ceil(log2(T + 1)) without rounding


def _least_width(T: int, L: int, power: int) -> int:
    """The least d whose Welch bound allows 1 / mu^2 = (2L - 3)^power, in whole numbers."""
    _check(T=T, L=L)
    room: int = (2 * L - 3) ** power
    return -(-T * room // (T - 1 + room))


def _check(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 2:
            raise MechprobeError(f"{name}={size}: at least 2 is wanted")
