"""Train one model through its stages; each ends as a checkpoint that says how it was made."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mechprobe.analyses.studies.positional_semantic.plan import NOISE, Budget
from mechprobe.analyses.studies.positional_semantic.study import RESTRICTED, Start
from mechprobe.models import HookedTransformer, MechprobeError, load, read_meta, save
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
        settings: Mapping[str, Any],
        begin: Callable[[], tuple[TransformerConfig, Weights, float | None]],
    ) -> HookedTransformer:
        made = _settings(job, name, plan, settings)
        folder = job.checkpoint(name)
        if (kept := _kept(folder, made)) is not None:
            return kept
        config, weights, noise = begin()
        digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:8]
        state = folder.parent / f".{name}-{digest}.training.safetensors"
        trained = train(config, weights, FixedData(split[0]), plan, job.seed, state_path=state)
        found = {
            "accuracy": accuracy(config, trained.weights, split[1]),
            "moved": distance(config, weights, trained.weights),
            "noise": noise,
            "loss": trained.losses[-1],
        }
        model = HookedTransformer(config, trained.weights)
        save(model, folder, {**made, "found": found})
        return model

    config = job.budget.config(job.start)
    generator = epoch_generator(job.seed, INITIAL, STREAM)
    model = reach(
        job.name, job.budget.first, {}, lambda: (config, initial(config, generator), None)
    )
    for name, _ in job.stages[1:]:
        before = {"from": model.fingerprint(), "noise": NOISE}
        reach(name, job.budget.then, before, partial(_freed, model, job.seed))


def found_in(folder: Path) -> dict[str, Any]:
    """What training measured: accuracy on sequences held out, distance moved.

    Raises:
        MechprobeError: the checkpoint is not one of these.
    """
    found = read_meta(folder).get("found")
    if not isinstance(found, dict):
        raise MechprobeError(f"{folder}: no checkpoint of this study; remove it and try again")
    return found


def _freed(model: HookedTransformer, seed: int) -> tuple[TransformerConfig, Weights, float | None]:
    config, exact = unfreeze(model.config, model.weights(), epoch_generator(seed, 0, STREAM), 0.0)
    generator = epoch_generator(seed, NOISES, STREAM)
    _, weights = unfreeze(model.config, model.weights(), generator, NOISE)
    return config, weights, distance(config, exact, weights)


def _settings(job: Job, name: str, plan: Plan, more: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        "origin": "positional_semantic",
        "version": VERSION,
        "start": job.start,
        "stage": name.removeprefix(job.name).strip("_") or "first",
        "seed": job.seed,
        "sequences": job.budget.sequences,
        "plan": asdict(plan),
        **more,
    }
    plain: dict[str, Any] = json.loads(json.dumps(made))  # tuples become lists, as when read
    return plain


def _kept(folder: Path, made: Mapping[str, Any]) -> HookedTransformer | None:
    """A checkpoint of these settings; None where there is none, another one or a damaged one."""
    try:
        meta = read_meta(folder)
        same = {name: value for name, value in meta.items() if name != "found"} == made
        return load(folder) if same and "found" in meta else None
    except MechprobeError:
        return None
