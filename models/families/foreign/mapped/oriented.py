"""Matrices turned and taken apart: nn.Linear's [out, in] or [in, out], and fused projections."""

import math

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.foreign.mapped.mapping import Layout, Order
from mechprobe.models.families.foreign.mapped.names import Part


def oriented(part: Part, role: str, n_in: int, layout: Layout) -> Tensor:
    """A matrix as [in, out].

    Args:
        part: as it was found.
        role: what it is, for the message.
        n_in: width of what it is multiplied by.
        layout: how it lies where it is square.

    Raises:
        MechprobeError: it is no matrix, or none of its sides is `n_in`.
    """
    shape = tuple(part.weight.shape)
    if len(shape) != 2 or n_in not in shape:
        raise MechprobeError(
            f"mapping: {role} = {part.name!r} has shape {shape}; a matrix with a side of {n_in} is"
            " wanted"
        )
    square = shape[0] == shape[1]
    turned = layout == "out-in" if square else shape[1] == n_in
    return part.weight.mT if turned else part.weight


def is_square(part: Part) -> bool:
    """Whether a shape leaves open how a matrix lies."""
    shape = part.weight.shape
    return len(shape) == 2 and shape[0] == shape[1]


def split(fused: Tensor, heads: int, order: Order, role: str) -> list[Tensor]:
    """q, k and v out of a fused projection, each [in, heads * e] with heads one after the other.

    Args:
        fused: [in, 3 * heads * e], or a bias [3 * heads * e].
        heads: their number.
        order: axes of its outputs.
        role: for the message.

    Raises:
        MechprobeError: its outputs cannot be shared out.
    """
    n = fused.shape[-1]
    if n % (3 * heads):
        raise MechprobeError(
            f"mapping: {role} has {n} outputs, which are not 3 x {heads} heads of one width"
        )
    names = order.split()
    sizes = {"qkv": 3, "head": heads, "e": n // (3 * heads)}
    apart = fused.reshape(*fused.shape[:-1], *(sizes[name] for name in names))
    first = fused.ndim - 1
    axes = [first + names.index(name) for name in ("qkv", "head", "e")]
    together = apart.permute(*range(first), *axes)
    return [one.flatten(first) for one in together.unbind(first)]


def per_head(side_by_side: Tensor, heads: int, role: str) -> Tensor:
    """[in, heads * e] as [heads, in, e]; a bias [heads * e] as [heads, e].

    Raises:
        MechprobeError: the width is no multiple of the number of heads.
    """
    width = side_by_side.shape[-1]
    if width % heads:
        raise MechprobeError(f"mapping: {role} has {width} outputs, no multiple of heads={heads}")
    apart = side_by_side.reshape(*side_by_side.shape[:-1], heads, width // heads)
    return apart.movedim(-2, 0)


def table(part: Part, role: str, rows: int) -> Tensor:
    """An embedding as [rows or more, d], axes of length 1 left out; one that lies the other way, as
    the weight of a layer that reads one-hot vectors does, is turned where its shape shows it.

    Raises:
        MechprobeError: it is no matrix of so many rows.
    """
    weight = part.weight
    while weight.ndim > 2 and 1 in weight.shape:
        weight = weight.squeeze(list(weight.shape).index(1))
    if weight.ndim == 2 and len(weight) < rows <= weight.shape[1]:
        weight = weight.mT
    if weight.ndim != 2 or len(weight) < rows:
        raise MechprobeError(
            f"mapping: {role} = {part.name!r} has shape {tuple(part.weight.shape)}; {rows} rows or"
            " more are wanted"
        )
    return weight


def scaled(d_head: int, scale: float | None) -> float:
    """What queries are multiplied by so that scores divided by sqrt(d_head) are as they were."""
    return 1.0 if scale is None else math.sqrt(d_head) / scale


def zeros_for(bias: Tensor | None, like: Tensor, width: int) -> Tensor:
    """A bias, or zeros in its place."""
    if bias is not None:
        return bias.flatten()
    return torch.zeros(width, dtype=like.dtype, device=like.device)
