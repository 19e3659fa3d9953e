"""Train a stack of models from the command: progress bar, resume, checkpoints.

The folder of the checkpoints holds, while they are trained, a lock and the state of training. The
state stays until all models are saved: whatever stops the command, the same one goes on from it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from mechprobe.analyses.common.stopping import goes_on
from mechprobe.analyses.common.targets import is_free, refuse_taken
from mechprobe.models import (
    PRESETS,
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    Trained,
    Trainee,
    TrainingPlan,
    read_meta,
    save,
    train,
)
from mechprobe.models.base.files import remove
from mechprobe.models.base.folders import folder_alone, settle, whole_folder
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.base.workplaces import OURS
from mechprobe.models.families.counting import log_spaced

TESTED = 2000
STATE = f"{OURS}training.safetensors"


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Args:
        made: checkpoint, or folder of them, and test accuracy in the end of every model.
        problems: a line for each model that diverged.
    """

    made: list[tuple[Path, float]]
    problems: list[str]


def plan_of(preset: str, steps: int | None, batch: int | None, lr: float | None) -> TrainingPlan:
    """A preset, with what is given in place of its own.

    Raises:
        MechprobeError: a number out of range.
    """
    given = {"steps": steps, "batch": batch, "lr": lr}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(PRESETS[preset], **wanted)


def train_checkpoints(
    config: CountingConfig, plan: TrainingPlan, seeds: Sequence[int], out: Path, *, force: bool
) -> Outcome:
    """Train one model a seed and save the checkpoints of those that did not diverge.

    Args:
        config: shape of all models.
        plan: steps, batch, rate.
        seeds: one a model.
        out: the checkpoint folder of a single model, else the folder that holds seed-S folders.
        force: replace checkpoints that are there.

    Raises:
        MechprobeError: a folder is taken, another command trains there, or nothing can be written.
    """
    folders = _folders(out, seeds)
    metas = {folder: _meta(config, seed, plan) for seed, folder in folders.items()}
    with folder_alone(out):
        settle(out)
        resumed = (out / STATE).exists()
        # Saved already, by the command that was stopped?
        there = {f for f, meta in metas.items() if resumed and not is_free(f) and _says(f, meta)}
        for folder in metas.keys() - there:
            refuse_taken(folder, force=force)
        trained = _train(config, plan, seeds, [], out)
        outcome = _outcome(config, plan, trained, folders)
        for seed, folder in folders.items():
            if trained[seed].diverged_at is None and folder not in there:
                save(HookedTransformer(config, trained[seed].weights), folder, metas[folder])
        remove(out / STATE)
    return outcome


def train_snapshots(
    config: CountingConfig, plan: TrainingPlan, seeds: Sequence[int], number: int, out: Path
) -> Outcome:
    """Train one model a seed and save checkpoints along the way: of all models that did not
    diverge, or none.

    Args:
        config: shape of all models.
        plan: steps, batch, rate.
        seeds: one a model.
        number: checkpoints a model at most; their steps are log-spaced, the last one included.
        out: takes the step-N folders of a single model, else folders seed-S of those.

    Raises:
        MechprobeError: the folder is taken, another command trains there, or nothing can be
            written.
    """
    steps = log_spaced(plan.steps, number)
    # Six digits at least, so that folders of most runs sort alike.
    width = max(6, len(str(plan.steps)))
    with folder_alone(out):
        settle(out)
        there = not is_free(out)
        if there and not _is_this_run(out, config, plan, seeds, f"step-{steps[-1]:0{width}d}"):
            raise MechprobeError(f"{out}: is there already; choose another --out or remove it")
        trained = _train(config, plan, seeds, steps, out)
        outcome = _outcome(config, plan, trained, _folders(out, seeds))
        if outcome.made and not there:
            with whole_folder(out) as temporary:
                for seed, folder in _folders(temporary, seeds).items():
                    if trained[seed].diverged_at is not None:
                        continue
                    for step, weights in trained[seed].snapshots.items():
                        meta = _meta(config, seed, plan) | {"step": step}
                        model = HookedTransformer(config, weights)
                        save(model, folder / f"step-{step:0{width}d}", meta)
        remove(out / STATE)
    return outcome


def _folders(out: Path, seeds: Sequence[int]) -> dict[int, Path]:
    """Where each seed's model goes."""
    return {seed: out if len(seeds) == 1 else out / f"seed-{seed}" for seed in seeds}


def _meta(config: CountingConfig, seed: int, plan: TrainingPlan) -> dict[str, Any]:
    return Trainee(config, seed, plan).meta()


def _is_this_run(
    out: Path, config: CountingConfig, plan: TrainingPlan, seeds: Sequence[int], last: str
) -> bool:
    """Whether a command that was stopped has written the snapshots: its state is there still, and
    so are the last snapshots of models."""
    found = [
        _says(folder / last, _meta(config, seed, plan) | {"step": plan.steps})
        for seed, folder in _folders(out, seeds).items()
        if (folder / last).is_dir()
    ]
    return (out / STATE).exists() and bool(found) and all(found)


def _says(folder: Path, meta: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is there that says to be made in this way."""
    try:
        return read_meta(folder) == meta
    except MechprobeError:
        return False


def _outcome(
    config: CountingConfig,
    plan: TrainingPlan,
    trained: Mapping[int, Trained],
    folders: Mapping[int, Path],
) -> Outcome:
    made, problems = [], []
    for seed, one in trained.items():
        if one.diverged_at is None:
            made.append((folders[seed], _test(HookedTransformer(config, one.weights))))
        else:
            problems.append(
                f"{folders[seed]}: training with seed {seed} diverged at step {one.diverged_at};"
                f" use a smaller learning rate than {plan.lr:g}"
            )
    return Outcome(made, problems)


def _train(
    config: CountingConfig,
    plan: TrainingPlan,
    seeds: Sequence[int],
    snapshots: Sequence[int],
    out: Path,
) -> dict[int, Trained]:
    one_thread()
    trainees = [Trainee(config, seed, plan) for seed in seeds]
    total = plan.steps * len(trainees)
    bar = tqdm(total=total, desc="training", unit=" steps", unit_scale=True, file=sys.stderr)
    goes_on()
    with bar:
        found = train(trainees, snapshots=snapshots, progress=bar.update, state_path=out / STATE)
    return dict(zip(seeds, found, strict=True))


def _test(model: HookedTransformer) -> float:
    task: HistogramTask = model.config.task()
    tokens = task.sample(TESTED, torch.Generator().manual_seed(123_456))
    with torch.no_grad():
        return task.accuracy(model(tokens), tokens)
