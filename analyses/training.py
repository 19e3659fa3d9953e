"""Train a stack of models from the command: progress bar, resume, checkpoints."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from models import (
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    Trainee,
    TrainingPlan,
    save,
    train,
)
from models.parallel import one_thread

TESTED = 2000


def train_checkpoints(
    config: CountingConfig, plan: TrainingPlan, seeds: Sequence[int], out: Path
) -> list[tuple[Path, float]]:
    """Train one model a seed and save the checkpoints.

    Args:
        config: shape of all models.
        plan: steps, batch, rate.
        seeds: one a model.
        out: the checkpoint folder of a single model, else the folder that holds seed-S folders.

    Returns:
        Checkpoint and test accuracy of every model.

    Raises:
        MechprobeError: the folder is taken, or training diverged.
    """
    folders = [out] if len(seeds) == 1 else [out / f"seed-{seed}" for seed in seeds]
    for folder in folders:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise MechprobeError(f"{folder}: is there already; choose another --out or remove it")
    one_thread()
    state = out.parent / f".{out.name}.training.pt"
    trainees = [Trainee(config, seed, plan) for seed in seeds]
    total = plan.steps * len(trainees)
    bar = tqdm(total=total, desc="training", unit=" steps", unit_scale=True, file=sys.stderr)
    with bar:
        trained = train(trainees, progress=bar.update, state_path=state)
    found = []
    for seed, one, folder in zip(seeds, trained, folders, strict=True):
        if one.diverged_at is not None:
            raise MechprobeError(
                f"{folder}: training with seed {seed} diverged at step {one.diverged_at};"
                f" use a smaller learning rate than {plan.lr:g}"
            )
        model = HookedTransformer(config, one.weights)
        meta = {"origin": "trained", "seed": seed, "steps": plan.steps, "batch": plan.batch}
        save(model, folder, meta | {"lr": plan.lr})
        found.append((folder, _test(model)))
    return found


def _test(model: HookedTransformer) -> float:
    task: HistogramTask = model.config.task()
    tokens = task.sample(TESTED, torch.Generator().manual_seed(123_456))
    with torch.no_grad():
        return task.accuracy(model(tokens), tokens)
