"""Train counting transformers: any number, of any shapes, each as if it were alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.memory import refuse_larger
from mechprobe.models.base.settled import settled
from mechprobe.models.families.counting.training.core import CoreEngine
from mechprobe.models.families.counting.training.cost import training_bytes, weight_bytes
from mechprobe.models.families.counting.training.kept import keep, take_up
from mechprobe.models.families.counting.training.state import Standing, Trained, Trainee
from mechprobe.models.families.counting.training.stream import BLOCK

KEPT_EVERY = 1000  # steps between two states kept on disk, and between two looks at progress
Precision = Literal["float32", "float64"]


@runtime_checkable
class Engine(Protocol):
    """What trains: a processor core, or a device."""

    def advance(self, standings: list[Standing], stop: int) -> None:
        """Train every model up to a step, or up to its plan's last one."""
        ...


def engine_for(device: str) -> Engine:
    """The engine of a device.

    Args:
        device: "cpu", or a CUDA device as torch names it.

    Raises:
        MechprobeError: there is no such device here.
    """
    if device == "cpu":
        return CoreEngine()
    from mechprobe.models.families.counting.training.stack import StackEngine

    return StackEngine(device)


@settled()
def train(
    trainees: Sequence[Trainee],
    *,
    snapshots: Sequence[int] = (),
    device: str = "cpu",
    precision: Precision = "float32",
    progress: Callable[[int], object] | None = None,
    state_path: Path | None = None,
) -> list[Trained]:
    """Train models; what one becomes depends on its own configuration, seed and plan alone.

    On one machine type and device the weights are the same bits whatever is trained beside it.
    A model that diverges is recorded and harms no other.

    Args:
        trainees: the models, of any shapes and plans.
        snapshots: steps after which weights are kept too.
        device: "cpu" (one thread), or a CUDA device.
        precision: of weights and arithmetic.
        progress: called with the number of model-steps just done.
        state_path: where to keep the state now and then, and at the end; the same call goes on
            from it. Remove it once what came out is saved.

    Raises:
        MechprobeError: nothing to train, a negative seed, a task that is not counting, no such
            device, or the kept state is damaged or belongs to another run.
    """
    if not trainees:
        raise MechprobeError("training needs at least one model")
    for trainee in trainees:
        if not 0 <= trainee.seed < 2**63:
            raise MechprobeError(f"seed {trainee.seed}: it lies between 0 and 2^63 - 1")
        if (other := trainee.config.asked) is not None:
            raise MechprobeError(f"task {other.name!r}: this training is of counting alone")
    if device == "cpu":
        _refuse_larger(trainees)
    engine = engine_for(device)
    dtype = torch.float64 if precision == "float64" else torch.float32
    standings = [Standing.start(trainee, dtype) for trainee in trainees]
    last = max(trainee.plan.steps for trainee in trainees)
    looks = sorted({*range(KEPT_EVERY, last, KEPT_EVERY), *_inside(snapshots, last), last})
    identity = _identity(trainees, snapshots, device, precision)
    start = 0
    if state_path is not None and state_path.exists():
        start = take_up(state_path, identity, standings, snapshots)
    if progress is not None and start:
        progress(_done(standings, start))
    for before, look in zip([0, *looks], looks, strict=False):
        if look <= start:
            continue
        engine.advance(standings, look)
        if look in snapshots:
            for standing in standings:
                if standing.diverged_at is None and look <= standing.trainee.plan.steps:
                    standing.snapshots[look] = standing.flat.copy()
        # Never within a block of data: a model that diverges is set back to the block's start.
        if state_path is not None and (look == last or look % BLOCK == 0):
            keep(state_path, identity, look, standings)
        if progress is not None:
            progress(_done(standings, look) - _done(standings, before))
    return [standing.result() for standing in standings]


def _refuse_larger(trainees: Sequence[Trainee]) -> None:
    """Models are trained one after the other, but all of them are kept: four numbers a weight."""
    most = max(trainees, key=lambda t: training_bytes(t.config, t.plan.batch))
    largest = training_bytes(most.config, most.plan.batch)
    kept = sum(weight_bytes(trainee.config) for trainee in trainees)
    c, models = most.config, len(trainees)
    sizes = f"T={c.T}, L={c.L}, d={c.d}, p={c.p}, batches of {most.plan.batch}, {models} model"
    refuse_larger(largest + 4 * kept, f"training at {sizes}{'s' * (models > 1)}")


def _inside(snapshots: Sequence[int], last: int) -> set[int]:
    for step in snapshots:
        if step < 1:
            raise MechprobeError(f"snapshot after step {step}: steps count from 1")
    return {step for step in snapshots if step <= last}


def _done(standings: Sequence[Standing], look: int) -> int:
    """Model-steps up to a look; a model that diverged counts as done."""
    return sum(min(look, standing.trainee.plan.steps) for standing in standings)


def _identity(
    trainees: Sequence[Trainee], snapshots: Sequence[int], device: str, precision: str
) -> str:
    return json.dumps(
        {
            "models": [[t.config.model_dump(), t.seed, asdict(t.plan)] for t in trainees],
            "snapshots": list(snapshots),
            "device": device,
            "precision": precision,
        }
    )
