"""Training data: each model has a stream of its own, drawn in blocks by seed and block number.

A block is drawn from a counter-based generator of its own, so a stream can be entered at any
block, on any machine, in any order, and does not depend on who else is trained.
A histogram model without positions only sees which tokens a sequence holds and how often: for it
a sequence is its distinct tokens with their counts. A constant mixing matrix sees positions too.
(no_type_check: the tests' shape checks are Python wrappers, which numba cannot compile.)
"""

from typing import NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Int, Int32
from torch import Tensor

from mechprobe.models.base.compiled import compiled
from mechprobe.models.families.counting.config import CountingConfig

BLOCK = 100  # steps whose data are drawn at once


class Parts(NamedTuple):
    """Sequences as distinct tokens and how often each occurs; beyond `distinct` both are 0."""

    tokens: Int32[np.ndarray, "n slots"]
    counts: Int32[np.ndarray, "n slots"]
    distinct: Int32[np.ndarray, " n"]


def block_generator(seed: int, block: int) -> np.random.Generator:
    """The generator that a block of a model's training data is drawn from."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(block,))))


def draw_parts(config: CountingConfig, seed: int, block: int, n: int) -> Parts:
    """The n sequences of a block, as parts (arXiv:2407.11542, appendix on data).

    Args:
        config: gives T and L.
        seed: of the model.
        block: its number, from 0.
        n: sequences in the block.
    """
    parts = Parts(
        np.zeros((n, config.L), np.int32),
        np.zeros((n, config.L), np.int32),
        np.zeros(n, np.int32),
    )
    _partition(block_generator(seed, block), config.L, config.T, *parts)
    return parts


def draw_sequences(
    config: CountingConfig, seed: int, block: int, n: int
) -> Int32[np.ndarray, "n length"]:
    """The n sequences of a block position by position, without BOS.

    The shuffle is drawn after the parts: a dot model's sequences are the same, in some order.
    """
    generator = block_generator(seed, block)
    parts = Parts(
        np.zeros((n, config.L), np.int32),
        np.zeros((n, config.L), np.int32),
        np.zeros(n, np.int32),
    )
    _partition(generator, config.L, config.T, *parts)
    body = np.zeros((n, config.L), np.int32)
    _shuffled(generator, *parts, body)
    return body


def block_tokens(config: CountingConfig, seed: int, block: int, n: int) -> Int[Tensor, "n pos"]:
    """The same as a plain module reads them: 64-bit token ids, BOS first where there is one."""
    body = torch.from_numpy(draw_sequences(config, seed, block, n)).long()
    return torch.nn.functional.pad(body, (int(config.bos), 0), value=config.T)


@compiled(nogil=True)
@no_type_check
def _partition(generator, L, T, tokens, counts, distinct):
    pool = np.arange(T)
    for i in range(tokens.shape[0]):
        left, k = L, 0
        while left > 0:
            size = 1 if left == 1 else 1 + int(generator.random() * (left - 1))
            if k < T:
                # The next card of a partial shuffle; the pool's order carries over, which
                # leaves every draw uniform.
                j = k + int(generator.random() * (T - k))
                pool[k], pool[j] = pool[j], pool[k]
                tokens[i, k] = pool[k]
                counts[i, k] = size
                k += 1
            else:  # more parts than tokens: the surplus joins the last part
                counts[i, k - 1] += size
            left -= size
        distinct[i] = k


@compiled(nogil=True)
@no_type_check
def _shuffled(generator, tokens, counts, distinct, body):
    for i in range(body.shape[0]):
        at = 0
        for k in range(distinct[i]):
            for _ in range(counts[i, k]):
                body[i, at] = tokens[i, k]
                at += 1
        for j in range(at - 1, 0, -1):
            k = int(generator.random() * (j + 1))
            body[i, j], body[i, k] = body[i, k], body[i, j]
