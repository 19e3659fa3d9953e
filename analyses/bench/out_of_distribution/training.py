"""Train counting models on data that lack their withheld cells.

The compiled steps of the package's own trainer, on its own stream of sequences, of which those
that hold a withheld count of a token are left out.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from threadpoolctl import threadpool_limits

from mechprobe.analyses.bench.out_of_distribution.plan import NEVER, Pupil
from mechprobe.models import MechprobeError, Trainee, TrainingPlan
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.training.constant import constant_steps
from mechprobe.models.families.counting.training.dot import dot_steps
from mechprobe.models.families.counting.training.layout import from_flat
from mechprobe.models.families.counting.training.state import Standing
from mechprobe.models.families.counting.training.stream import (
    BLOCK,
    Parts,
    draw_parts,
    draw_sequences,
)

SPARE = 2  # sequences drawn for each that is wanted; withholding leaves out far fewer than half


def lacking(parts: Parts, withheld: Int[np.ndarray, " token"]) -> Bool[np.ndarray, " n"]:
    """Whether each sequence holds no withheld count of any token."""
    cells = (parts.counts == withheld[parts.tokens]) & (parts.counts != NEVER)
    whole: np.ndarray = ~cells.any(-1)
    return whole


@dataclass(frozen=True)
class Block:
    """Data of some steps: sequences as parts and position by position."""

    parts: Parts
    bodies: Int[np.ndarray, "n length"]


def draw_block(pupil: Pupil, block: int, n: int) -> Block:
    """The n sequences of a block of a pupil's data.

    Raises:
        MechprobeError: so much is withheld that too few sequences are left.
    """
    drawn = draw_parts(pupil.config, pupil.seed, block, SPARE * n)
    bodies = draw_sequences(pupil.config, pupil.seed, block, SPARE * n)
    kept = np.flatnonzero(lacking(drawn, pupil.withheld.numpy()))[:n]
    if len(kept) < n:
        raise MechprobeError(f"{pupil.name}: most sequences hold a withheld count; withhold less")
    return Block(Parts(*(part[kept] for part in drawn)), bodies[kept])


def train_lacking(pupil: Pupil, plan: TrainingPlan) -> Weights:
    """Train one model.

    Args:
        pupil: its shape, seed and what is withheld from it.
        plan: steps, batch, learning rate.

    Raises:
        MechprobeError: training diverged.
    """
    config = pupil.config
    standing = Standing.start(Trainee(config, pupil.seed, plan), torch.float32)
    moving = (standing.flat, standing.first, standing.second)
    sizes = (config.n_vocab, config.d, config.p, config.n_classes)
    kind = (sizes, config.softmax, int(config.bos), False)
    with threadpool_limits(limits=1, user_api="blas"):
        for first in range(0, plan.steps, BLOCK):
            steps = min(BLOCK, plan.steps - first)
            shape, rates = (steps, plan.batch), plan.rates(first, first + steps)
            data = draw_block(pupil, first // BLOCK, steps * plan.batch)
            if config.mixing == "lin":
                bodies = data.bodies.reshape(*shape, -1)
                done = constant_steps(*moving, rates, first, bodies, *kind)
            else:
                tokens, counts = (part.reshape(*shape, -1) for part in data.parts[:2])
                distinct = data.parts.distinct.reshape(shape)
                done = dot_steps(*moving, rates, first, tokens, counts, distinct, *kind)
            if done < steps or not np.isfinite(standing.flat).all():
                raise MechprobeError(f"{pupil.name}: training diverged; use a smaller rate")
    return from_flat(config, standing.flat)
