"""Forward pass of the solvable attention model, plain torch (arXiv:2402.03902, section 2)."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.weights import Weights
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.models.tasks.inputs import Vectors


def forward(config: SolvableConfig, weights: Weights, x: Any) -> Float[Tensor, "n L d"]:
    """f_Q(x) = softmax((x+p) Q Q^T (x+p)^T / d) (x+p).

    The values are x+p, as in the published experiment; against values x the error differs by
    O(1/d), which the paper's high-dimensional limit does not see.

    Args:
        config: sizes.
        weights: Q and W_pos are read.
        x: tokens without positions [n, L, d].

    Raises:
        MechprobeError: x is of another shape or of a longer type than the weights, or not finite.
    """
    x = Vectors(config.L, config.d).checked(x, weights["Q"])
    moved = x + weights["W_pos"]
    h = moved @ weights["Q"]
    answers: Tensor = (h @ h.mT / config.d).softmax(-1) @ moved
    return answers
