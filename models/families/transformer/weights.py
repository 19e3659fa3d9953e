"""Weights of a transformer as a plain dictionary, TransformerLens orientation: `x @ W`."""

import math

import torch
from torch import Tensor

from mechprobe.models.base.draws import draw_normal, draw_uniform
from mechprobe.models.base.weights import Weights as Weights
from mechprobe.models.base.weights import check_weights
from mechprobe.models.families.transformer.config import TransformerConfig, shapes


def initial(config: TransformerConfig, generator: torch.Generator) -> Weights:
    """Random weights as the published scripts draw them: N(0, 1) embeddings, of positions too,
    LayerNorms that do nothing, everything else uniform within 1/sqrt(fan in). A one-block
    counting preset gets the numbers of `mechprobe.models.families.counting.initial`."""
    fan_in = {
        "W_mix": config.n_ctx,
        "W_O": config.n_heads * config.d_head,
        "b_O": config.n_heads * config.d_head,
        "W_out": config.p,
        "b_out": config.p,
    }

    def draw(name: str, shape: tuple[int, ...]) -> Tensor:
        kind = name.removeprefix("blocks.").split(".", 1)[-1]
        if kind in ("W_E", "W_pos"):
            return draw_normal(shape, generator)
        if kind in ("ln1.w", "ln2.w", "w"):
            return torch.ones(shape, dtype=torch.float32, device="cpu")
        if kind in ("ln1.b", "ln2.b", "b"):
            return torch.zeros(shape, dtype=torch.float32, device="cpu")
        uniform: Tensor = 2 * draw_uniform(shape, generator) - 1
        return uniform / math.sqrt(fan_in.get(kind, config.d))

    return {name: draw(name, shape) for name, shape in shapes(config).items()}


def halves(config: TransformerConfig) -> tuple[Tensor, Tensor, Tensor] | None:
    """Which coordinates carry tokens, which positions, and which of them queries and keys see:
    masks [d]; nothing where tokens and positions share all coordinates."""
    if config.attends == "both":
        return None
    semantic = torch.arange(config.d) < config.d // 2
    return semantic, ~semantic, semantic if config.attends == "only_sem" else ~semantic


def check(config: TransformerConfig, weights: Weights, where: str = "weights") -> None:
    """Compare names, shapes and values with what the configuration demands.

    Raises:
        MechprobeError: a weight is missing, unknown, of another shape or type, or not finite.
    """
    sizes = ", ".join(f"{name}={size}" for name, size in config.sizes.items())
    check_weights(shapes(config), weights, where, config.architecture, sizes)
