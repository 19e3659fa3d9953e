"""A model's weights as one flat vector: what the optimiser and the compiled step work on."""

import math

import numpy as np
import torch
from jaxtyping import Float

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.weights import Weights, shapes


def size(config: CountingConfig) -> int:
    """Number of weights."""
    return sum(math.prod(shape) for shape in shapes(config).values())


def to_flat(
    config: CountingConfig, weights: Weights, dtype: torch.dtype
) -> Float[np.ndarray, " n"]:
    """All weights one after another, in the order of `shapes`."""
    parts = [weights[name].detach().to(dtype).cpu().reshape(-1) for name in shapes(config)]
    flat: np.ndarray = torch.cat(parts).numpy()
    return flat


def from_flat(config: CountingConfig, flat: Float[np.ndarray, " n"]) -> Weights:
    """The inverse; the tensors are copies."""
    found, at = {}, 0
    for name, shape in shapes(config).items():
        length = math.prod(shape)
        found[name] = torch.from_numpy(flat[at : at + length].copy()).view(shape)
        at += length
    return found
