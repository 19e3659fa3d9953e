"""Weights of a solvable attention model as a plain dictionary (arXiv:2402.03902, section 2).

Q alone is trained; the teacher, the positional encodings and the tokens' covariances are the
task's, kept beside it because a trained Q means nothing without them.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights, check_weights
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.models.tasks import AttentionRegression, task_from


def shapes(config: SolvableConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight: Q [d, rank]; Q_star [d, teacher_rank]; W_pos [L, d];
    with full covariances also covariance [L, d, d]."""
    c = config
    covariance: dict[str, tuple[int, ...]] = (
        {"covariance": (c.L, c.d, c.d)} if c.full_covariance else {}
    )
    return {
        "Q": (c.d, c.rank),
        "Q_star": (c.d, c.teacher_rank),
        "W_pos": (c.L, c.d),
        **covariance,
    }


@settled()
def positions(config: SolvableConfig) -> Float[Tensor, "L d"]:
    """Positional encodings p_l = c_l ones / sqrt(d), c from 1 down to -1 in equal steps; at L=2
    the paper's (1, -1). Double precision."""
    levels = torch.linspace(1, -1, config.L, dtype=torch.float64)
    return levels.unsqueeze(1).expand(config.L, config.d) / math.sqrt(config.d)


def teacher(
    config: SolvableConfig, generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "d teacher_rank"]:
    """A teacher Q_star with independent N(0, 1) entries (arXiv:2402.03902, section 3)."""
    return draw_normal((config.d, config.teacher_rank), generator, dtype)


@settled()
def initial(
    config: SolvableConfig, generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> Weights:
    """A teacher, an untrained student with N(0, 1) entries, the encodings and, where the
    configuration asks for covariances, sigma_l^2 times the identity."""
    weights = {
        "Q_star": teacher(config, generator, dtype),
        "Q": draw_normal((config.d, config.rank), generator, dtype),
        "W_pos": positions(config).to(dtype),
    }
    if config.full_covariance:
        variances = torch.tensor(config.sigma, dtype=dtype).square()
        weights["covariance"] = variances.view(-1, 1, 1) * torch.eye(config.d, dtype=dtype)
    return weights


def check(config: SolvableConfig, weights: Weights, where: str = "weights") -> None:
    """Compare names, shapes and values with what the configuration demands.

    Raises:
        MechprobeError: a weight is missing, unknown, of another shape or type, or not finite, or
            a covariance is not symmetric and positive definite.
    """
    sizes = ", ".join(f"{name}={size}" for name, size in config.sizes.items())
    check_weights(shapes(config), weights, where, config.architecture, sizes)
    if config.full_covariance and not weights["covariance"].is_meta:
        covariance = weights["covariance"].double()  # half precision has no Cholesky
        if not torch.allclose(covariance, covariance.mT):
            raise MechprobeError(f"{where}: covariance is not symmetric at every position")
        if torch.linalg.cholesky_ex(covariance).info.any():
            raise MechprobeError(f"{where}: covariance is not positive definite at every position")


def task_of(config: SolvableConfig, weights: Weights) -> AttentionRegression:
    """The task a student is trained on; its Q has no part in it.

    Raises:
        MechprobeError: the configuration carries a task of another kind.
    """
    task = task_from(config.task_data, weights)
    if not isinstance(task, AttentionRegression):
        raise MechprobeError(f"students learn from a teacher's attention, not {task.name!r}")
    return task
