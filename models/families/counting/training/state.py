"""What is trained, where it stands, and what comes out."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.training.layout import from_flat, to_flat
from mechprobe.models.families.counting.training.plan import TrainingPlan
from mechprobe.models.families.counting.training.stream import BLOCK
from mechprobe.models.families.counting.weights import Weights, initial


@dataclass(frozen=True)
class Trainee:
    """One model to train; nothing else decides what it becomes.

    Args:
        config: its shape and architecture.
        seed: of its initial weights and of its data, at least 0.
        plan: steps, batch, learning rate and schedule.
    """

    config: CountingConfig
    seed: int
    plan: TrainingPlan

    def meta(self) -> dict[str, Any]:
        """Where a model comes from, as its checkpoint says."""
        plan = self.plan
        return {
            "origin": "trained",
            "seed": self.seed,
            "steps": plan.steps,
            "batch": plan.batch,
            "lr": plan.lr,
            "schedule": plan.schedule,
        }


@dataclass(frozen=True)
class Trained:
    """What training made of it.

    Args:
        weights: at the end; of a model that diverged, those at the start of its last block of
            data.
        diverged_at: step, from 0, whose loss or whose new weights were not finite; None for all
            is well.
        snapshots: weights after the steps that were asked for.
    """

    weights: Weights
    diverged_at: int | None = None
    snapshots: dict[int, Weights] = field(default_factory=dict)


@dataclass
class Standing:
    """A model in training: weights and Adam's moments, flat, and the steps done."""

    trainee: Trainee
    flat: Float[np.ndarray, " n"]
    first: Float[np.ndarray, " n"]
    second: Float[np.ndarray, " n"]
    step: int = 0
    diverged_at: int | None = None
    snapshots: dict[int, Float[np.ndarray, " n"]] = field(default_factory=dict)
    _edge: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    @classmethod
    def start(cls, trainee: Trainee, dtype: torch.dtype) -> "Standing":
        """Before the first step."""
        generator = torch.Generator().manual_seed(trainee.seed)
        flat = to_flat(trainee.config, initial(trainee.config, generator), dtype)
        return cls(trainee, flat, np.zeros_like(flat), np.zeros_like(flat))

    def is_edge(self, step: int) -> bool:
        """Whether a step begins a block of data, or is the end: wherever training is halted."""
        return step % BLOCK == 0 or step == self.trainee.plan.steps

    def remember(self) -> None:
        """At the edge of a block, keep what a model that diverges is set back to."""
        if self._edge is None or self.step % BLOCK == 0:
            self._edge = (self.flat.copy(), self.first.copy(), self.second.copy())

    def diverge(self, step: int) -> None:
        """Stop at a step that led to numbers that are not finite; the block's start is kept."""
        assert self._edge is not None
        self.diverged_at = step
        self.flat, self.first, self.second = self._edge
        self.step = step // BLOCK * BLOCK

    def result(self) -> Trained:
        """As handed to the user."""
        config = self.trainee.config
        shots = {step: from_flat(config, flat) for step, flat in self.snapshots.items()}
        return Trained(from_flat(config, self.flat), self.diverged_at, shots)
