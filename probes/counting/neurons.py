"""Which neurons of the last feed-forward layer read which token's count, free of their gauge."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.context import CountContext, needs_counts

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer


def needs_neurons(model: "HookedTransformer", task: HistogramTask) -> str | None:
    """Why a probe of neurons does not apply, or None where it does."""
    if model.cfg.attn_only:
        return "the model has no feed-forward layer, so there are no neurons to look at"
    return needs_counts(model, task)


def attributions(context: CountContext) -> Float[Tensor, "neuron token"]:
    """Spread of each neuron's contribution to the logits over the counts of each token.

    Standard deviation over counts of the neuron's mean activation times the length of its
    centred output weights (`CountContext.output_weights`): unchanged by scaling a neuron or by a
    constant in the logits, and additive when a neuron is split.
    """
    out = context.output_weights
    length = (out - out.mean(-1, keepdim=True)).norm(dim=-1)
    spread: Tensor = (context.activations.std(1, correction=0) * length).T
    return spread
