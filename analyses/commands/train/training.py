"""Train a stack of models from the command: progress bar, resume, checkpoints."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from mechprobe.analyses.common.stopping import goes_on
from mechprobe.models import (
    PRESETS,
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    Trained,
    Trainee,
    TrainingPlan,
    save,
    train,
)
from mechprobe.models.base.files import whole_folder
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.families.counting import log_spaced

TESTED = 2000


def plan_of(preset: str, steps: int | None, batch: int | None, lr: float | None) -> TrainingPlan:
    """A preset, with what is given in place of its own.

    Raises:
        MechprobeError: a number out of range.
    """
    given = {"steps": steps, "batch": batch, "lr": lr}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(PRESETS[preset], **wanted)


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
    folders = _folders(out, seeds)
    _refuse_taken(folders)
    found = []
    for seed, one, folder in zip(seeds, _train(config, plan, seeds, [], out), folders, strict=True):
        _refuse_diverged(one, plan, seed, folder)
        model = HookedTransformer(config, one.weights)
        save(model, folder, Trainee(config, seed, plan).meta())
        found.append((folder, _test(model)))
    return found


def train_snapshots(
    config: CountingConfig, plan: TrainingPlan, seeds: Sequence[int], number: int, out: Path
) -> list[tuple[Path, float]]:
    """Train one model a seed and save checkpoints along the way, all of them or none.

    Args:
        config: shape of all models.
        plan: steps, batch, rate.
        seeds: one a model.
        number: checkpoints a model at most; their steps are log-spaced, the last one included.
        out: takes the step-N folders of a single model, else folders seed-S of those.

    Returns:
        Folder of checkpoints and test accuracy in the end of every model.

    Raises:
        MechprobeError: the folder is taken, or training diverged.
    """
    _refuse_taken([out])
    trained = _train(config, plan, seeds, log_spaced(plan.steps, number), out)
    for seed, one in zip(seeds, trained, strict=True):
        _refuse_diverged(one, plan, seed, out)
    # Six digits at least, so that folders of most runs sort alike.
    width = max(6, len(str(plan.steps)))
    with whole_folder(out) as temporary:
        for seed, one, folder in zip(seeds, trained, _folders(temporary, seeds), strict=True):
            for step, weights in one.snapshots.items():
                meta = Trainee(config, seed, plan).meta() | {"step": step}
                save(HookedTransformer(config, weights), folder / f"step-{step:0{width}d}", meta)
    models = (HookedTransformer(config, one.weights) for one in trained)
    return list(zip(_folders(out, seeds), map(_test, models), strict=True))


def _folders(out: Path, seeds: Sequence[int]) -> list[Path]:
    return [out] if len(seeds) == 1 else [out / f"seed-{seed}" for seed in seeds]


def _refuse_taken(folders: Sequence[Path]) -> None:
    for folder in folders:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise MechprobeError(f"{folder}: is there already; choose another --out or remove it")


def _refuse_diverged(one: Trained, plan: TrainingPlan, seed: int, folder: Path) -> None:
    if one.diverged_at is not None:
        raise MechprobeError(
            f"{folder}: training with seed {seed} diverged at step {one.diverged_at};"
            f" use a smaller learning rate than {plan.lr:g}"
        )


def _train(
    config: CountingConfig,
    plan: TrainingPlan,
    seeds: Sequence[int],
    snapshots: Sequence[int],
    out: Path,
) -> list[Trained]:
    one_thread()
    state = out.parent / f".{out.name}.training.safetensors"
    trainees = [Trainee(config, seed, plan) for seed in seeds]
    total = plan.steps * len(trainees)
    bar = tqdm(total=total, desc="training", unit=" steps", unit_scale=True, file=sys.stderr)
    goes_on()
    with bar:
        return train(trainees, snapshots=snapshots, progress=bar.update, state_path=state)


def _test(model: HookedTransformer) -> float:
    task: HistogramTask = model.config.task()
    tokens = task.sample(TESTED, torch.Generator().manual_seed(123_456))
    with torch.no_grad():
        return task.accuracy(model(tokens), tokens)
