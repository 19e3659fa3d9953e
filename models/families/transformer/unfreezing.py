"""From halves to a free model, and how far training moved weights (arXiv:2402.03902, section 3)."""

import torch
from torch import Tensor

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.weights import Weights, check, halves

NOISY = ("W_E", "W_pos", "blocks.0.W_Q", "blocks.0.W_K")


@settled()
def unfreeze(
    config: TransformerConfig, weights: Weights, generator: torch.Generator, noise: float = 1e-3
) -> tuple[TransformerConfig, Weights]:
    """A model of halves as a free one that computes the same, up to the noise.

    F is dropped: what it hid of W_Q and W_K and the halves it zeroed of W_E and W_pos become real
    zeros, queries and keys see everything. Then N(0, noise^2) is added to W_E, W_pos, W_Q, W_K.

    Args:
        config: with attends "only_sem" or "only_pos".
        weights: of that model.
        generator: source of the noise.
        noise: its standard deviation.

    Raises:
        MechprobeError: the model has no halves, weights do not fit, or the noise is negative.
    """
    check(config, weights)
    masks = halves(config)
    if masks is None:
        raise MechprobeError('unfreeze: the model attends to "both" already, nothing is frozen')
    if not 0 <= noise < float("inf"):
        raise MechprobeError(f"unfreeze: noise {noise}; a finite standard deviation is wanted")
    semantic, positional, seen = masks
    keep = {"W_E": semantic, "W_pos": positional}
    kept = {name: keep.get(name, seen.unsqueeze(-1)) for name in NOISY}
    free = {name: weight.clone() for name, weight in weights.items()}
    for name in NOISY:
        own = torch.where(kept[name], weights[name], torch.zeros_like(weights[name]))
        drawn = draw_normal(own.shape, generator, torch.float64)
        free[name] = own + noise * drawn.to(own.dtype)
    return config.model_copy(update={"attends": "both"}), free


def distance(config: TransformerConfig, first: Weights, second: Weights) -> float:
    """Sum over weight tensors of the L2 norm of their difference, as published.

    Raises:
        MechprobeError: weights do not fit the configuration.
    """
    check(config, first)
    check(config, second)
    gaps: list[Tensor] = [(first[name].double() - second[name].double()).norm() for name in first]
    return float(sum(gap.item() for gap in gaps))
