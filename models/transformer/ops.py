"""Softmax, cross-entropy and narrow products over short axes, where torch's own are slow.

Rows here hold some ten numbers. torch's softmax and the matrix product with eleven columns then
take most of a training step; as sums of plain vectorised operations, or with columns filled up to
sixteen, the same numbers cost a fraction (docs/transformers.md says how much).
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

COLUMNS = 16  # products are fast at multiples of this


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        e = (scores - scores.amax(-1, keepdim=True)).exp_()
        e /= e.sum(-1, keepdim=True)
        ctx.save_for_backward(e)
        return e

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (pattern,) = ctx.saved_tensors
        flow = gradient * pattern
        found: Tensor = flow.sub_(pattern * flow.sum(-1, keepdim=True))
        return found


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        shifted = logits - logits.amax(-1, keepdim=True)
        e = shifted.exp()
        total = e.sum(-1, keepdim=True)
        ctx.save_for_backward(e.div_(total), targets)
        return (total.log() - shifted.gather(-1, targets.unsqueeze(-1))).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        p, targets = ctx.saved_tensors
        ones = p.new_ones(()).expand(*targets.shape, 1)
        return p.scatter_add(-1, targets.unsqueeze(-1), -ones) * (gradient / targets.numel()), None


def softmax(scores: Float[Tensor, "*batch q k"]) -> Float[Tensor, "*batch q k"]:
    """Softmax over the last axis; its gradient is not differentiable again."""
    found: Tensor = _Softmax.apply(scores)  # type: ignore[no-untyped-call]
    return found


def cross_entropy(
    logits: Float[Tensor, "*batch classes"], targets: Int[Tensor, "*batch"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy; its gradient is not differentiable again."""
    found: Tensor = _CrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
    return found


def narrow(
    x: Float[Tensor, "*batch d"], W: Float[Tensor, "d classes"], b: Float[Tensor, " classes"]
) -> Float[Tensor, "*batch classes"]:
    """x W + b for few columns."""
    short = -W.shape[1] % COLUMNS
    filled = functional.linear(x, functional.pad(W, (0, short)).T, functional.pad(b, (0, short)))
    return filled[..., : W.shape[1]]
