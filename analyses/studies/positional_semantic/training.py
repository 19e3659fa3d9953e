"""Train one model through its stages; each ends as a checkpoint that says how it was made."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.resume import Made, kept_or_made
from mechprobe.analyses.studies.positional_semantic.contents import RESTRICTED, Start
from mechprobe.analyses.studies.positional_semantic.plan import NOISE, Budget
from mechprobe.models import HookedTransformer
from mechprobe.models.families.transformer import (
    FixedData,
    Plan,
    TransformerConfig,
    Weights,
    accuracy,
    distance,
    histogram_split,
    initial,
    train,
    unfreeze,
)
from mechprobe.models.families.transformer.data import epoch_generator

VERSION = 1  # of what a checkpoint's settings stand for
STREAM = 2  # beside those of the trainer
DATA, INITIAL, NOISES = range(3)


@dataclass(frozen=True)
class Job:
    """One model, through all its stages.

    Args:
        run: the run folder; checkpoints go to models/NAME in it.
        start: what attention sees in the first stage.
        seed: of data, initial weights, order and noise.
        budget: of all stages.
    """

    run: Path
    start: Start
    seed: int
    budget: Budget

    @property
    def name(self) -> str:
        """Of the first checkpoint."""
        return f"{'free' if self.start == 'both' else self.start}_{self.seed}"

    @property
    def stages(self) -> list[tuple[str, bool]]:
        """Name of each checkpoint, and whether it is after unfreezing."""
        return [(self.name, False)] + [(f"{self.name}_freed", True)] * (self.start in RESTRICTED)

    @property
    def weight(self) -> float:
        """Relative length."""
        then = self.budget.then.epochs if self.start in RESTRICTED else 0
        return float(self.budget.first.epochs + then)

    def checkpoint(self, name: str) -> Path:
        """Its folder."""
        return self.run / "models" / name


def train_job(job: Job) -> None:
    """Train what is not there yet.

    Raises:
        MechprobeError: training diverges, or a checkpoint cannot be written.
    """
    split = histogram_split(
        job.budget.config(job.start).task(), job.budget.sequences,
        epoch_generator(job.seed, DATA, STREAM),
    )  # fmt: skip

    def reach(
        name: str,
        plan: Plan,
        more: Mapping[str, Any],
        begin: Callable[[], tuple[TransformerConfig, Weights, float | None]],
    ) -> HookedTransformer:
        def make(state: Path) -> Made:
            config, weights, noise = begin()
            trained = train(config, weights, FixedData(split[0]), plan, job.seed, state_path=state)
            found = {
                "accuracy": accuracy(config, trained.weights, split[1]),
                "moved": distance(config, weights, trained.weights),
                "noise": noise,
                "loss": trained.losses[-1],
            }
            return Made(HookedTransformer(config, trained.weights), found)

        return kept_or_made(job.checkpoint(name), _settings(job, name, plan, more), make)

    config = job.budget.config(job.start)
    generator = epoch_generator(job.seed, INITIAL, STREAM)
    model = reach(
        job.name, job.budget.first, {}, lambda: (config, initial(config, generator), None)
    )
    for name, _ in job.stages[1:]:
        before = {"from": model.fingerprint(), "noise": NOISE}
        reach(name, job.budget.then, before, partial(_freed, model, job.seed))


def _freed(model: HookedTransformer, seed: int) -> tuple[TransformerConfig, Weights, float | None]:
    config, exact = unfreeze(model.config, model.weights(), epoch_generator(seed, 0, STREAM), 0.0)
    generator = epoch_generator(seed, NOISES, STREAM)
    _, weights = unfreeze(model.config, model.weights(), generator, NOISE)
    return config, weights, distance(config, exact, weights)


def _settings(job: Job, name: str, plan: Plan, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "origin": "positional_semantic",
        "version": VERSION,
        "start": job.start,
        "stage": name.removeprefix(job.name).strip("_") or "first",
        "seed": job.seed,
        "sequences": job.budget.sequences,
        "plan": asdict(plan),
        **more,
    }
