"""What is trained, where it stands, and what comes out."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from models.counting.config import CountingConfig
from models.counting.training.layout import from_flat, to_flat
from models.counting.training.plan import TrainingPlan
from models.counting.weights import Weights, initial


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


@dataclass(frozen=True)
class Trained:
    """What training made of it.

    Args:
        weights: at the end; of a model that diverged, the last ones kept before.
        diverged_at: step, from 0, whose loss was no finite number; None for all is well.
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

    @classmethod
    def start(cls, trainee: Trainee, dtype: torch.dtype) -> "Standing":
        """Before the first step."""
        generator = torch.Generator().manual_seed(trainee.seed)
        flat = to_flat(trainee.config, initial(trainee.config, generator), dtype)
        return cls(trainee, flat, np.zeros_like(flat), np.zeros_like(flat))

    def result(self) -> Trained:
        """As handed to the user."""
        config = self.trainee.config
        shots = {step: from_flat(config, flat) for step, flat in self.snapshots.items()}
        return Trained(from_flat(config, self.flat), self.diverged_at, shots)
