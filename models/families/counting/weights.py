"""Weights of a counting transformer as a plain dictionary, TransformerLens orientation.

Everything maps rows: `x @ W`. Constructions, symmetries, training and checkpoints all speak
this dictionary; a stack of models has one more axis in front of each tensor.
"""

import math

import torch
from torch import Tensor

from mechprobe.models.base.draws import draw_normal, draw_uniform
from mechprobe.models.base.weights import Weights as Weights
from mechprobe.models.base.weights import check_weights
from mechprobe.models.families.counting.config import CountingConfig


def shapes(config: CountingConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight: W_E [V, d]; W_Q, W_K [d, d] or W_mix [pos, pos];
    W_in [d, p]; b_in [p]; W_out [p, classes]; b_out [classes]."""
    c = config
    mixing: dict[str, tuple[int, ...]] = (
        {"W_mix": (c.n_ctx, c.n_ctx)}
        if c.mixing == "lin"
        else {"W_Q": (c.d, c.d), "W_K": (c.d, c.d)}
    )
    return {
        "W_E": (c.n_vocab, c.d),
        **mixing,
        "W_in": (c.d, c.p),
        "b_in": (c.p,),
        "W_out": (c.p, c.n_classes),
        "b_out": (c.n_classes,),
    }


def initial(config: CountingConfig, generator: torch.Generator) -> Weights:
    """Random weights as the published scripts draw them: embeddings of N(0, 1), or of N(0, 1/d)
    where they stay fixed; everything else uniform within 1/sqrt(fan in)."""

    def uniform(shape: tuple[int, ...], fan_in: int) -> Tensor:
        draw: Tensor = 2 * draw_uniform(shape, generator) - 1
        return draw / math.sqrt(fan_in)

    fan_in = {
        "W_Q": config.d,
        "W_K": config.d,
        "W_mix": config.n_ctx,
        "W_in": config.d,
        "b_in": config.d,
        "W_out": config.p,
        "b_out": config.p,
    }
    drawn = {
        name: draw_normal(shape, generator) if name == "W_E" else uniform(shape, fan_in[name])
        for name, shape in shapes(config).items()
    }
    if config.embeddings == "fixed":
        drawn["W_E"] /= math.sqrt(config.d)
    return drawn


def check(config: CountingConfig, weights: Weights, where: str = "weights") -> None:
    """Compare names, shapes and values with what the configuration demands.

    Raises:
        MechprobeError: a weight is missing, unknown, of another shape or type, or not finite.
    """
    sizes = f"T={config.T}, L={config.L}, d={config.d}, p={config.p}"
    check_weights(shapes(config), weights, where, config.architecture, sizes)
