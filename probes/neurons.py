"""Which neurons read which token's count, free of the neurons' gauge."""

from jaxtyping import Float
from torch import Tensor

from probes.counting import CountContext


def attributions(context: CountContext) -> Float[Tensor, "neuron token"]:
    """Spread of each neuron's contribution to the logits over the counts of each token.

    Standard deviation over counts of the neuron's mean activation times the length of its
    centred output weights: unchanged by scaling a neuron or by a constant in the logits, and
    additive when a neuron is split.
    """
    W_out = context.model.weights()["W_out"].double()
    length = (W_out - W_out.mean(-1, keepdim=True)).norm(dim=-1)
    spread: Tensor = (context.activations.std(1, correction=0) * length).T
    return spread
