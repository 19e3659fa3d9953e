"""The state of a transformer in training, on disk and back, where it can be one."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mechprobe.models.base.resume import keep_state, kept_state
from mechprobe.models.families.transformer.weights import Weights

Curves = dict[str, list[float]]
MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's


def keep(
    path: Path, identity: str, learning: Weights, optimizer: torch.optim.Optimizer, curves: Curves
) -> None:
    """Write weights, moments and curves.

    Args:
        path: of the file.
        identity: of the run.
        learning: the weights that learn, by name.
        optimizer: Adam or plain gradient descent, of these weights.
        curves: "losses" and "accuracies", a number an epoch.

    Raises:
        MechprobeError: the folder cannot be written, or the disk is full.
    """
    tensors = {f"weight/{name}": weight.detach() for name, weight in learning.items()}
    for name, weight in learning.items():
        for part, value in optimizer.state[weight].items():
            if isinstance(value, Tensor):
                tensors[f"{part}/{name}"] = value
    keep_state(path, identity, tensors, {"curves": json.dumps(curves)})


def take_up(
    path: Path, identity: str, learning: Weights, optimizer: torch.optim.Optimizer, epochs: int
) -> Curves:
    """Put weights and moments where a kept state left them.

    Args:
        path, identity, learning, optimizer: as of `keep`; before the first step.
        epochs: of the whole run.

    Returns:
        The curves.

    Raises:
        MechprobeError: the state is damaged, or belongs to another run.
    """
    with kept_state(path, identity) as (kept, meta):
        curves = _curves(json.loads(meta["curves"]), epochs)
        adam = isinstance(optimizer, torch.optim.Adam)
        for name, weight in learning.items():
            with torch.no_grad():
                weight.copy_(_like(weight, kept.pop(f"weight/{name}")))
            if adam:
                state = optimizer.state[weight]
                for part in MOMENTS:
                    state[part] = _like(weight, kept.pop(f"{part}/{name}"))
                # Torch counts steps in a number of this type whatever the weights' is.
                count = torch.zeros((), dtype=torch.float32)
                state["step"] = _like(count, kept.pop(f"step/{name}"))
        if kept:
            raise ValueError("tensors of no weight")
    return curves


def _curves(found: dict[str, Any], epochs: int) -> Curves:
    losses, accuracies = list(found["losses"]), list(found["accuracies"])
    if not 0 < len(losses) <= epochs or len(accuracies) not in (0, len(losses)):
        raise ValueError(f"{len(losses)} epochs cannot be")
    if not all(isinstance(value, float) for value in (*losses, *accuracies)):
        raise ValueError("curves hold no numbers")
    return {"losses": losses, "accuracies": accuracies}


def _like(wanted: Tensor, found: Tensor) -> Tensor:
    """What was found, where it is of the wanted shape and type.

    Raises:
        ValueError: it is not, or is not finite.
    """
    if (found.shape, found.dtype) != (wanted.shape, wanted.dtype) or not found.isfinite().all():
        raise ValueError("a tensor of another shape or type, or not finite")
    return found
