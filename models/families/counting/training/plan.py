"""How long and how fast a counting transformer is trained."""

from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from mechprobe.models.base.errors import MechprobeError

Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True)
class TrainingPlan:
    """Budget of one model; Adam with betas 0.9 and 0.98, as arXiv:2407.11542 uses it.

    Args:
        steps: optimiser steps.
        batch: sequences a step.
        lr: peak learning rate of Adam.
        schedule: "cosine" (5 % linear warm-up, then down to zero) or "constant".

    Raises:
        MechprobeError: a number out of range, or an unknown schedule.
    """

    steps: int = 5000
    batch: int = 64
    lr: float = 5e-3
    schedule: Schedule = "cosine"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0 < self.lr < 1:
            raise MechprobeError(
                f"training plan {asdict(self)}: steps and batch are at least 1, lr in (0, 1)"
            )
        if self.schedule not in get_args(Schedule):
            known = " or ".join(get_args(Schedule))
            raise MechprobeError(f"schedule {self.schedule!r} is unknown; choose {known}")

    def rates(self, first: int, end: int) -> Float[np.ndarray, " steps"]:
        """Learning rates at the steps first..end-1, counted from 0."""
        step = np.arange(first, end, dtype=np.float64)
        if self.schedule == "constant":
            return np.full_like(step, self.lr)
        warm = max(1, self.steps // 20)
        progress = (step - warm) / max(1, self.steps - warm)
        down = 0.5 * (1 + np.cos(np.pi * progress))
        return self.lr * np.where(step < warm, (step + 1) / warm, down)


# The published script: 500 epochs of 10,000 fresh sequences in batches of 32. Its last batch of
# an epoch holds 16; here every batch is full.
PRESETS: dict[str, TrainingPlan] = {
    "fast": TrainingPlan(),
    "published": TrainingPlan(steps=156_500, batch=32, lr=1e-3, schedule="constant"),
}


def log_spaced(steps: int, number: int) -> list[int]:
    """Steps at which to look, evenly spaced in their logarithm, the last one included.

    Args:
        steps: of the whole training.
        number: how many at most; small steps that round to the same one count once.
    """
    if number < 1:
        return []
    ratios = (i / max(1, number - 1) for i in range(number))
    return sorted({max(1, round(steps**ratio)) for ratio in ratios} | {steps})
