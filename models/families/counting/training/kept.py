"""The state of counting transformers in training, on disk and back, where it can be one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from mechprobe.models.base.resume import keep_state, kept_state
from mechprobe.models.families.counting.training.state import Standing
from mechprobe.models.families.counting.training.stream import BLOCK

PARTS = ("flat", "first", "second")  # weights and Adam's moments


def keep(path: Path, identity: str, step: int, standings: Sequence[Standing]) -> None:
    """Write where all models stand.

    Args:
        path: of the file.
        identity: of the run.
        step: up to which all were trained that did not diverge, or that have no fewer steps.
        standings: the models.

    Raises:
        MechprobeError: the folder cannot be written, or the disk is full.
    """
    arrays: dict[str, np.ndarray] = {}
    for i, standing in enumerate(standings):
        arrays |= {f"{i}/{part}": getattr(standing, part) for part in PARTS}
        arrays |= {f"{i}/at/{at}": flat for at, flat in standing.snapshots.items()}
    meta = {
        "step": str(step),
        "steps": json.dumps([s.step for s in standings]),
        "diverged": json.dumps([s.diverged_at for s in standings]),
    }
    keep_state(path, identity, {n: torch.from_numpy(a) for n, a in arrays.items()}, meta)


def take_up(
    path: Path, identity: str, standings: Sequence[Standing], snapshots: Sequence[int]
) -> int:
    """Put models where a kept state left them.

    Args:
        path, identity: as of `keep`.
        standings: at their start.
        snapshots: steps after which weights are kept.

    Returns:
        The step of the state.

    Raises:
        MechprobeError: the state is damaged, or belongs to another run.
    """
    with kept_state(path, identity) as (kept, meta):
        step = _whole(json.loads(meta["step"]))
        last = max(standing.trainee.plan.steps for standing in standings)
        _demand(0 < step <= last and (step == last or step % BLOCK == 0), f"step {step}")
        steps, diverged = json.loads(meta["steps"]), json.loads(meta["diverged"])
        _demand(len(steps) == len(diverged) == len(standings), "the number of models")
        for i, standing in enumerate(standings):
            _put(standing, step, steps[i], diverged[i], snapshots, _of(i, kept))
        _demand(not kept, "tensors of no model")
    return step


def _put(
    standing: Standing,
    step: int,
    done: object,
    diverged: object,
    snapshots: Sequence[int],
    arrays: Mapping[str, np.ndarray],
) -> None:
    end = min(step, standing.trainee.plan.steps)
    if diverged is None:
        _demand(_whole(done) == end, f"a model at step {done}")
        reached = end
    else:  # set back to the start of its block; snapshots that it reached are kept
        reached = _whole(diverged)
        _demand(0 <= reached < end, f"a divergence at step {diverged}")
        _demand(_whole(done) == reached // BLOCK * BLOCK, f"a model at step {done}")
    wanted = sorted({at for at in snapshots if at <= reached})
    names = {*PARTS, *(f"at/{at}" for at in wanted)}
    _demand(arrays.keys() == names, "names of tensors")
    for name, found in arrays.items():
        fits = (found.shape, found.dtype) == (standing.flat.shape, standing.flat.dtype)
        _demand(fits and bool(np.isfinite(found).all()), name)
    for part in PARTS:
        setattr(standing, part, arrays[part].copy())
    standing.step, standing.diverged_at = _whole(done), None if diverged is None else reached
    standing.snapshots = {at: arrays[f"at/{at}"] for at in wanted}


def _of(index: int, kept: dict[str, Any]) -> dict[str, Float[np.ndarray, "..."]]:
    """One model's arrays by name, taken out of all."""
    mine = [name for name in kept if name.split("/", 1)[0] == str(index)]
    return {name.split("/", 1)[1]: kept.pop(name).numpy() for name in mine}


def _whole(value: object) -> int:
    _demand(isinstance(value, int) and not isinstance(value, bool), f"step {value!r}")
    assert isinstance(value, int)
    return value


def _demand(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"{what} cannot be")
