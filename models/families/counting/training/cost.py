"""How much arithmetic a training step is, and how much memory training takes."""

import math

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.training.rows import parts_moments
from mechprobe.models.families.counting.training.stream import BLOCK
from mechprobe.models.families.counting.weights import shapes

SINGLE = 4  # bytes of a number of single precision


def step_flops(config: CountingConfig, batch: int) -> float:
    """Multiplications and additions of the products in one step of the core's engine.

    Matrix products and sums over pairs of tokens, forward and twice as much back; everything
    elementwise is left out. The number of distinct tokens is its mean under the sampler (for
    T < L an upper bound).
    """
    c, bos = config, int(config.bos)
    table = c.n_vocab * c.d * c.p
    if c.mixing == "lin":
        rows = float(batch * c.L)
        mixing = rows * c.n_ctx * c.p
        scores = 0
    else:
        mean, square = parts_moments(c.L)
        rows = batch * mean
        mixing = batch * (square + bos * mean) * c.p
        scores = 2 * c.n_vocab * c.d**2 + c.n_vocab**2 * c.d
    forward = scores + table + mixing + rows * c.p * c.n_classes
    return 3 * 2 * forward


def weight_bytes(config: CountingConfig) -> float:
    """Memory of one model's weights in single precision."""
    return float(SINGLE * sum(math.prod(shape) for shape in shapes(config).values()))


def training_bytes(config: CountingConfig, batch: int) -> float:
    """Memory that one model takes on the core while it is trained: weights with gradient and
    moments, tables over tokens and pairs of them, rows of a batch, and the block of data drawn at
    once. An upper bound of the rows, for all tokens of a sequence may differ."""
    c, drawn = config, 2 * BLOCK * batch * config.L
    rows = batch * (c.L if c.mixing == "lin" else min(c.L, c.T))
    if c.mixing == "lin":
        kept = 2 * c.n_vocab * c.p + 2 * c.L * c.n_ctx + 2 * batch * c.n_ctx * c.p
    else:
        kept = 5 * c.n_vocab * c.d + 2 * c.n_vocab**2 + 2 * c.n_vocab * c.p + rows * (c.L + 1)
    own = SINGLE * (kept + rows * (2 * c.p + c.n_classes) + drawn)
    return float(4 * weight_bytes(c) + own)
