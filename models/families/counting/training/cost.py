"""How much arithmetic a training step is."""

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.training.rows import parts_moments


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
