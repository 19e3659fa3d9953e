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
    tokens = Tokens(config.n_ctx, config.n_vocab).checked(tokens)
    index = torch.arange(tokens.shape[0]).view(-1, 1, 1)
    x = weights["W_E"][index, tokens]
    if config.mixing == "lin":
        scores = weights["W_mix"].unsqueeze(1)
    else:
        query = x @ weights["W_Q"].unsqueeze(1)
        key = x @ weights["W_K"].unsqueeze(1)
        scores = query @ key.transpose(-2, -1) / config.d**0.5
    mixing = scores.softmax(-1) if config.softmax else scores
    mixed = x + mixing @ x
    hidden = (mixed @ weights["W_in"].unsqueeze(1) + weights["b_in"][:, None, None]).relu()
    return hidden @ weights["W_out"].unsqueeze(1) + weights["b_out"][:, None, None]
