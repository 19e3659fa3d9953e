"""Attribution patching: do the same neurons carry the counts of all tokens?

TransformerLens's `attribution_patch` takes a TransformerBridge: it reads `hook_z` of heads and the
layers' outputs, position by position. In models of one head and one block these nodes are the same
whatever the mechanism, so it would say nothing here. Its `cache_activation_and_gradient`, which it
is made of, takes any hook of any hooked model; nodes here are the last block's neurons.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.tools.analysis.attribution_patching import cache_activation_and_gradient

from mechprobe.analyses.bench.methods.registry import method
from mechprobe.analyses.bench.methods.sharing import Places, accuracy_of, balanced, by_share
from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.probes.draws import generator

REPS = 8  # pairs of a (token, count)


@method(
    "attribution-patching",
    source="Nanda 2023; Syed et al., arXiv:2310.10348; TransformerLens",
)
def attribution_patching(
    model: HookedTransformer, task: HistogramTask, seed: int
) -> Mapping[str, float]:
    """Overlap between tokens of the neurons through which one more of a token moves the answer."""
    draws = generator(seed, "attribution patching")
    effects = neuron_effects(model, task, balanced(task, REPS, draws))
    unit = torch.nn.functional.normalize(effects.abs().mean(1), dim=-1)
    overlap = unit @ unit.T
    others = ~torch.eye(len(unit), dtype=torch.bool)
    share = float(overlap[others].mean())
    return by_share(accuracy_of(model, task, draws), share)


def neuron_effects(
    model: HookedTransformer, task: HistogramTask, places: Places
) -> Float[Tensor, "token count neuron"]:
    """(a_clean - a_corrupt) . d metric / d a, by the gradient of the corrupt run.

    The corrupt sequence holds a token c times, the clean one c + 1 times: one other token is
    replaced by it. The metric is the logit of c + 1 less that of c.
    """
    hook = f"blocks.{model.cfg.n_layers - 1}.mlp.hook_post"
    corrupt = places.take(places.counts < task.counts)
    clean = corrupt.inputs.clone()
    rows = torch.arange(len(clean))
    foreign = clean != corrupt.token.unsqueeze(-1)
    if task.bos:
        foreign[:, 0] = False
    clean[rows, foreign.long().argmax(-1)] = corrupt.token  # the first other token

    def metric(logits: Tensor) -> Tensor:
        here = logits[rows, corrupt.at]
        return (here[rows, corrupt.counts + 1] - here[rows, corrupt.counts]).sum()

    model.requires_grad_(True)  # frozen ones have no gradient to take
    after = cache_activation_and_gradient(model, clean, metric, hook, compute_gradient=False)
    before = cache_activation_and_gradient(model, corrupt.inputs, metric, hook)
    gradient = before.gradients[hook]
    assert gradient is not None
    effect = ((after.activations[hook] - before.activations[hook]) * gradient)[rows, corrupt.at]
    counts = task.counts - 1
    cell = corrupt.token * counts + corrupt.counts - 1
    total = effect.new_zeros(task.T * counts, effect.shape[-1]).index_add_(0, cell, effect)
    number = cell.bincount(minlength=task.T * counts).unsqueeze(-1)
    each: Tensor = (total / number).view(task.T, counts, -1)
    return each
