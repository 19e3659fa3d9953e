"""Forward pass of a stack of counting transformers, plain torch.

Equations of arXiv:2407.11542, section 2: x'_i = x_i + sum_j w_ij x_j and
logits = W_2 relu(W_1 x' + b_1) + b_2.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.weights import Weights
from mechprobe.models.tasks.inputs import Tokens


def forward(
    config: CountingConfig, weights: Weights, tokens: Any
) -> Float[Tensor, "stack batch pos classes"]:
    """Logits of every model of a stack on its own sequences.

    Args:
        config: shared by the stack.
        weights: each tensor with a leading stack axis.
        tokens: ids [stack, batch, pos], one batch a model.

    Raises:
        MechprobeError: tokens of another length, or an id that is none.
    """
    x, attended = attend(config, weights, tokens)
    return read_out(weights, x + attended)


def attend(
    config: CountingConfig, weights: Weights, tokens: Any
) -> tuple[Float[Tensor, "stack batch pos d"], Float[Tensor, "stack batch pos d"]]:
    """Embeddings x_i and what attention adds to them, sum_j w_ij x_j; arguments as of `forward`.

    Raises:
        MechprobeError: tokens of another length, or an id that is none.
    """
    tokens = Tokens(config.n_ctx, config.n_vocab).checked(tokens)
    index = torch.arange(tokens.shape[0]).view(-1, 1, 1)
    x = weights["W_E"][index, tokens]
    if config.mixing == "lin":
        W = weights["W_mix"]
        mixing = W.softmax(-1) if config.softmax else W
        return x, _product(x.mT, mixing.mT).mT
    query, key = _product(x, weights["W_Q"]), _product(x, weights["W_K"])
    scores = query @ key.mT / config.d**0.5
    return x, (scores.softmax(-1) if config.softmax else scores) @ x


def read_out(
    weights: Weights, stream: Float[Tensor, "stack batch pos d"]
) -> Float[Tensor, "stack batch pos classes"]:
    """Logits from the residual stream after attention, x'_i."""
    hidden = (_product(stream, weights["W_in"]) + weights["b_in"][:, None, None]).relu()
    return _product(hidden, weights["W_out"]) + weights["b_out"][:, None, None]


def _product(
    x: Float[Tensor, "stack batch pos n"], W: Float[Tensor, "stack n m"]
) -> Float[Tensor, "stack batch pos m"]:
    """One product a model; a matrix for every sequence, as broadcasting makes, takes far longer."""
    return (x.flatten(1, 2) @ W).view(*x.shape[:3], W.shape[-1])
