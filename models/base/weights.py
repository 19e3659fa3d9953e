"""What every family does with its weights, a plain dictionary of tensors: check and name them."""

import hashlib
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short

Weights = dict[str, Tensor]
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(
    wanted: Mapping[str, tuple[int, ...]],
    weights: Weights,
    where: str,
    architecture: str,
    sizes: str,
) -> None:
    """Compare names, shapes and values with what a configuration demands.

    Args:
        wanted: name and shape of every weight; all hold the type of the first.
        weights: what was found; those without numbers (device "meta": a file's header) are
            compared by name, shape and type.
        where: for the message, where it was found.
        architecture: for the message, the kind of model.
        sizes: for the message, the configuration's sizes in words.

    Raises:
        MechprobeError: a weight is missing, unknown, of another shape or type, not finite, or so
            large that squares overflow.
    """
    for name in wanted:
        if name not in weights:
            raise MechprobeError(f"{where}: {name} is missing")
    for name in weights:
        if name not in wanted:
            raise MechprobeError(
                f"{where}: {short(name)} does not belong to a {architecture} model"
            )
    first = next(iter(wanted))
    for name, shape in wanted.items():
        found = tuple(weights[name].shape)
        if found != shape:
            raise MechprobeError(
                f"{where}: {name} has shape {found}, but config says {shape} ({sizes})"
            )
        if weights[name].dtype not in FLOATS:
            raise MechprobeError(f"{where}: {name} holds {weights[name].dtype}, floats are wanted")
        if weights[name].dtype != weights[first].dtype:
            raise MechprobeError(
                f"{where}: {name} holds {weights[name].dtype}, but {first} {weights[first].dtype};"
                " one type is wanted"
            )
        if not weights[name].is_meta:
            check_numbers(name, weights[name], where)


def largest(like: Tensor) -> float:
    """The greatest number of which the squares, as many as a tensor holds, add up to a finite one
    in its type; half precision is taken as the float32 that it is read as."""
    kind = torch.float64 if like.dtype == torch.float64 else torch.float32
    return math.sqrt(torch.finfo(kind).max / max(1, like.numel()))


def check_numbers(name: str, weight: Tensor, where: str = "weights") -> None:
    """Whether a weight can be calculated with: its numbers and the sum of their squares are finite
    in its own type (`largest`).

    Raises:
        MechprobeError: they are not.
    """
    if not weight.numel():
        return
    low, high = (float(end) for end in weight.detach().aminmax())  # NaN makes both NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        raise MechprobeError(f"{where}: {name} holds NaN or infinite values")
    peak = max(-low, high)
    if peak > largest(weight):
        raise MechprobeError(
            f"{where}: {name} holds numbers as large as {peak:.3g}, whose squares overflow; scale"
            " them down"
        )


def refuse_numberless(weights: Weights, what: str) -> None:
    """Raise where weights are shapes alone, of the device "meta".

    Args:
        weights: of a model.
        what: what is not done then, such as "stored".

    Raises:
        MechprobeError: says which.
    """
    for name, weight in weights.items():
        if weight.is_meta:
            raise MechprobeError(
                f"the model is not {what}: {name} holds no numbers (device meta); load its weights"
            )


def fingerprint(config_json: str, weights: Weights) -> str:
    """SHA-256 of configuration and weights, the first 16 hex digits: a model's name for ever.

    Raises:
        MechprobeError: the weights hold no numbers.
    """
    refuse_numberless(weights, "named by a fingerprint")
    digest = hashlib.sha256(config_json.encode())
    for name in sorted(weights):
        digest.update(f"{name}{weights[name].dtype}".encode())
        digest.update(weights[name].detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
