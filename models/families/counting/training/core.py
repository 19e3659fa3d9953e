"""The engine of a processor core: models one after another, a compiled step each."""

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  # numba's products call it: loaded, it is limited
from threadpoolctl import threadpool_limits

from mechprobe.models.families.counting.training.constant import constant_steps
from mechprobe.models.families.counting.training.dot import dot_steps
from mechprobe.models.families.counting.training.state import Standing
from mechprobe.models.families.counting.training.stream import BLOCK, draw_parts, draw_sequences


class CoreEngine:
    """One thread. Each model is computed alone: its bits do not depend on the others."""

    def advance(self, standings: list[Standing], stop: int) -> None:
        """Train every model up to a step, or up to its plan's last one."""
        # Products of such small matrices only lose by a second thread, and may change their bits.
        with threadpool_limits(limits=1, user_api="blas"):
            for standing in standings:
                end = min(stop, standing.trainee.plan.steps)
                while standing.diverged_at is None and standing.step < end:
                    edge = (standing.step // BLOCK + 1) * BLOCK
                    _within_block(standing, min(edge, end))


def _within_block(standing: Standing, end: int) -> None:
    """Steps up to `end` of the block that the model stands in."""
    config, plan = standing.trainee.config, standing.trainee.plan
    block, skip = divmod(standing.step, BLOCK)
    number = end - standing.step
    standing.remember()
    moving = (standing.flat, standing.first, standing.second)
    rates = plan.rates(standing.step, end)
    rows = slice(skip * plan.batch, (skip + number) * plan.batch)
    shape = (number, plan.batch)
    sizes = (config.n_vocab, config.d, config.p, config.n_classes)
    fixed = config.embeddings == "fixed"
    wanted = min(BLOCK, plan.steps - block * BLOCK) * plan.batch
    if config.mixing == "lin":
        body = draw_sequences(config, standing.trainee.seed, block, wanted)[rows]
        done = constant_steps(
            *moving, rates, standing.step, body.reshape(*shape, -1), sizes,
            config.softmax, int(config.bos), fixed,
        )  # fmt: skip
    else:
        parts = draw_parts(config, standing.trainee.seed, block, wanted)
        tokens, counts = (a[rows].reshape(*shape, -1) for a in (parts.tokens, parts.counts))
        done = dot_steps(
            *moving, rates, standing.step, tokens, counts, parts.distinct[rows].reshape(shape),
            sizes, config.softmax, int(config.bos), fixed,
        )  # fmt: skip
    whole = bool(np.isfinite(standing.flat).all())
    if done < number or not whole:
        # Weights that are no longer finite were spoilt by the step before the loss that tells.
        standing.diverge(max(0, standing.step + int(done) - (not whole)))
    elif standing.is_edge(end) and not all(np.isfinite(a).all() for a in moving):
        standing.diverge(end - 1)
    else:
        standing.step = end
