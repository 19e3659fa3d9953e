"""Which neurons read which token's count, free of the neurons' gauge."""

import torch
from jaxtyping import Float
from torch import Tensor

from probes.context import POST, Context


def activations(context: Context) -> Float[Tensor, "token count neuron"]:
    """Mean activation (hook_post) of every neuron for each token and count 1..L-1."""
    cells = context.reference.data
    flat = cells.tokens.flatten(0, 2)
    row, at = torch.arange(flat.shape[0]), cells.position.flatten()
    with torch.no_grad():
        _, cache = context.model.run_with_cache(flat, names_filter=POST)
    post: Tensor = cache[POST]
    mean: Tensor = post[row, at].double().view(*cells.tokens.shape[:3], -1).mean(2)
    return mean


def attributions(
    context: Context, active: Float[Tensor, "token count neuron"]
) -> Float[Tensor, "neuron token"]:
    """Spread of each neuron's contribution to the logits over the counts of each token.

    Standard deviation over counts of the neuron's mean activation times the length of its
    centred output weights: unchanged by scaling a neuron or by a constant in the logits, and
    additive when a neuron is split.
    """
    W_out = context.model.weights()["W_out"].double()
    length = (W_out - W_out.mean(-1, keepdim=True)).norm(dim=-1)
    spread: Tensor = (active.std(1, correction=0) * length).T
    return spread
