"""What is varied in an architecture, the budgets, and the training of one model."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mechprobe.analyses.common.resume import Made, kept_or_made
from mechprobe.analyses.studies.architectures.rows import BASE
from mechprobe.models import HookedTransformer, MechprobeError
from mechprobe.models.families.transformer import FreshData, Plan, TransformerConfig, initial, train

ORIGIN = "architectures"
VERSION = 1  # of what a checkpoint's settings stand for
BASES = ("bos+sftm", "dot", "dot+sftm")  # softmax with and without BOS, none
VARIATIONS: dict[str, dict[str, Any]] = {
    BASE: {},
    "2 blocks": {"n_layers": 2},
    "2 heads": {"n_heads": 2},
    "4 heads": {"n_heads": 4},
    "2 blocks of 2 heads": {"n_layers": 2, "n_heads": 2},
    "gelu": {"activation": "gelu"},
    "identity": {"activation": "identity"},
    "positions": {"positions": True},
    "LayerNorm": {"norm": "pre"},
    "W_V": {"values": "value"},
    "W_V and W_O": {"values": "value-output"},
}


@dataclass(frozen=True)
class Budget:
    """What is trained, and how long.

    Args:
        T, L, d, p: sizes of all models.
        steps: batches an epoch.
        plan: epochs, batch and rate.
        bases: architectures that are varied.
        variations: names of their changes.
    """

    T: int
    L: int
    d: int
    p: int
    steps: int
    plan: Plan
    bases: tuple[str, ...] = BASES
    variations: tuple[str, ...] = tuple(VARIATIONS)

    @property
    def about(self) -> list[str]:
        """Sizes and training in words."""
        plan = self.plan
        return [
            f"T={self.T}, L={self.L}, d={self.d}, p={self.p}",
            f"{plan.epochs * self.steps:,} steps of {plan.batch} fresh sequences,"
            f" Adam, rate {plan.lr:g} to 0 on a cosine",
        ]


# Sizes at which the bases solve the task by either mechanism: T < p, d > T.
FULL = Budget(16, 10, 32, 64, 1000, Plan(epochs=8, batch=64, lr=5e-3, schedule="cosine"))
QUICK = Budget(16, 10, 32, 64, 1000, Plan(epochs=3, batch=64, lr=5e-3, schedule="cosine"))


@dataclass(frozen=True)
class Job:
    """One model to train.

    Args:
        run: the run folder; the checkpoint goes to models/NAME in it.
        base: architecture.
        variation: name of its change.
        seed: of weights, sequences and their order.
        budget: sizes and length.
    """

    run: Path
    base: str
    variation: str
    seed: int
    budget: Budget

    @property
    def name(self) -> str:
        """What the run calls it; also its folder."""
        return f"{self.base}_{self.variation}_{self.seed}".replace("+", "_").replace(" ", "-")

    @property
    def checkpoint(self) -> Path:
        """Where the trained model lies."""
        return self.run / "models" / self.name

    @property
    def config(self) -> TransformerConfig:
        """Shape and kind.

        Raises:
            MechprobeError: sizes that do not fit the change.
        """
        b = self.budget
        changes = VARIATIONS[self.variation]
        return TransformerConfig.counting(self.base, T=b.T, L=b.L, d=b.d, p=b.p, **changes)

    @property
    def weight(self) -> float:
        """Relative length of training, as measured."""
        return 0.3 + self.config.n_layers * (0.6 + 0.08 * self.config.n_heads)

    def settings(self) -> dict[str, Any]:
        """All that the model depends on, as its checkpoint says."""
        return {
            "origin": ORIGIN,
            "version": VERSION,
            "base": self.base,
            "variation": self.variation,
            "seed": self.seed,
            "steps": self.budget.steps,
            "plan": asdict(self.budget.plan),
            "config": self.config.model_dump(),
        }


def train_job(job: Job) -> str | None:
    """Train a model unless its checkpoint is there; goes on where it was stopped.

    Returns:
        None, or one line that says why there is no model.
    """

    def make(state: Path) -> Made:
        config, plan = job.config, job.budget.plan
        data = FreshData(config.task(), job.budget.steps * plan.batch, job.seed)
        weights = initial(config, torch.Generator().manual_seed(job.seed))
        trained = train(config, weights, data, plan, job.seed, state_path=state)
        return Made(HookedTransformer(config, trained.weights))

    try:
        kept_or_made(job.checkpoint, job.settings(), make)
    except MechprobeError as error:
        return f"{job.name}: {error}"
    return None
