"""Starts of a training run, and plain descent with a recorded path.

The published runs are gradient descent from the two starts (arXiv:2402.03902, section 3); their
minima come far cheaper from `minimise`, the path of the learning only from here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.models.families.solvable.overlaps import overlaps
from mechprobe.models.families.solvable.problems import Problems

STARTS = ("semantic", "positional", "random")
METHODS = ("gd", "adam")
NOISE = 0.01  # spread of the columns a start says nothing about
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LOST = 1e4  # entries of this size (root mean square) come back from nowhere


@settled()
def start(
    kind: str | Tensor,
    config: SolvableConfig,
    Q_star: Float[Tensor, "d teacher_rank"],
    generator: torch.Generator,
) -> Float[Tensor, "d rank"]:
    """Where a student begins, in double precision.

    Args:
        kind: "semantic" (the teacher's columns, as many as the student has), "positional"
            (ones / sqrt(d) in the first column), "random" (N(0, 1) entries), or a student.
            Columns left over hold N(0, 0.01^2) noise.
        config: sizes.
        Q_star: the teacher.
        generator: source of randomness.

    Raises:
        MechprobeError: unknown kind, or a student of another shape or not finite.
    """
    d, rank = config.d, config.rank
    if isinstance(kind, Tensor):
        if kind.shape != (d, rank) or not kind.isfinite().all():
            raise MechprobeError(
                f"start: shape {tuple(kind.shape)}; finite values of shape {(d, rank)} are wanted"
            )
        return kind.double()
    if kind not in STARTS:
        raise MechprobeError(
            f"start {kind!r} is unknown; choose from {', '.join(STARTS)} or a tensor"
        )
    noise = draw_normal((d, rank), generator, torch.float64)
    if kind == "random":
        return noise
    if kind == "semantic":
        known = Q_star[:, :rank].double()
    else:
        known = torch.ones(d, 1, dtype=torch.float64) / math.sqrt(d)
    return torch.cat([known, NOISE * noise[:, known.shape[1] :]], dim=1)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The path of every problem, recorded at some steps; after a divergence NaN.

    Attributes:
        Q: the last students.
        steps: optimiser steps done at each record, 0 first.
        m: overlap 1^T Q / d.
        theta: overlap Q*^T Q / d.
        loss: total loss / d, which the paper calls the training loss.
        grad_norm: norm of the total loss' gradient, divided by sqrt(d).
        diverged: whether the student left for infinity.
    """

    Q: Float[Tensor, "p d r"]
    steps: Int[Tensor, " records"]
    m: Float[Tensor, "p records r"]
    theta: Float[Tensor, "p records teacher_rank r"]
    loss: Float[Tensor, "p records"]
    grad_norm: Float[Tensor, "p records"]
    diverged: Bool[Tensor, " p"]


@settled()
def descend(
    problems: Problems,
    starts: Float[Tensor, "p d r"],
    Q_star: Float[Tensor, "d teacher_rank"],
    *,
    method: str = "gd",
    lr: float,
    steps: int = 5000,
    every: int = 50,
    progress: Callable[[int], object] | None = None,
) -> Trajectory:
    """Full-batch gradient descent or Adam (betas 0.9 and 0.999) of every problem on its own.

    Args:
        problems: what is descended.
        starts: one student a problem.
        Q_star: the teacher, for the recorded overlaps.
        method: "gd" or "adam".
        lr: learning rate, of the total loss (the sum over sequences, with the ridge); at the
            paper's settings gradient descent stands 1.
        steps: how many; the published runs take 5,000.
        every: steps between two records; the start and the end are always recorded.
        progress: called with the number of steps just done.

    Raises:
        MechprobeError: a setting out of range, or not one finite student of the right
            width a problem.
    """
    if method not in METHODS or steps < 1 or every < 1 or not lr > 0:
        raise MechprobeError(
            f"descent method={method!r} steps={steps} lr={lr} every={every}: gd or adam, at least"
            " 1 step, every at least 1, lr above 0"
        )
    Q = problems.begin(starts)
    scale = math.sqrt(problems.d)
    first, second = torch.zeros_like(Q), torch.zeros_like(Q)
    records: list[tuple[int, Tensor, Tensor, Tensor, Tensor]] = []
    for step in range(steps + 1):
        loss, gradient = problems.evaluate(Q)
        # NaN stays NaN, and a problem's NaN touches no other problem.
        lost = ~(loss.isfinite() & (Q.square().mean((1, 2)).sqrt() < LOST))
        Q = torch.where(lost.view(-1, 1, 1), torch.nan, Q)
        if step % every == 0 or step == steps:
            m, theta, _ = overlaps(Q, Q_star)
            unknown = torch.where(lost, torch.nan, 0.0)
            norm = gradient.square().sum((1, 2)).sqrt() / scale
            records.append((step, m, theta, loss / problems.d + unknown, norm + unknown))
        if step == steps:
            break
        if method == "adam":
            first = BETA1 * first + (1 - BETA1) * gradient
            second = BETA2 * second + (1 - BETA2) * gradient.square()
            mean = first / (1 - BETA1 ** (step + 1))
            spread = (second / (1 - BETA2 ** (step + 1))).sqrt()
            Q = Q - lr * mean / (spread + EPSILON)
        else:
            Q = Q - lr * gradient
        if progress is not None:
            progress(1)
    return Trajectory(
        Q=Q,
        steps=torch.tensor([record[0] for record in records], dtype=torch.int64),
        m=torch.stack([record[1] for record in records], dim=1),
        theta=torch.stack([record[2] for record in records], dim=1),
        loss=torch.stack([record[3] for record in records], dim=1),
        grad_norm=torch.stack([record[4] for record in records], dim=1),
        diverged=lost,
    )
