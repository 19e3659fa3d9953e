"""Ablate the neurons that serve one token: do the other tokens notice?

An ablated neuron says the same at every count of a token: its activation is set to that token's
mean over counts. So only what it tells of the count is taken away, for every token alike.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechprobe.probes.counting.bars import accuracy_bars
from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.neurons import attributions, needs_neurons
from mechprobe.probes.drawing import heatmap
from mechprobe.probes.invariances import all_but
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from transformer_lens.hook_points import HookPoint

COVER = 0.9
MAX_TOKENS = 32


def serving(a: Float[Tensor, "neuron token"], cover: float) -> Bool[Tensor, "neuron token"]:
    """For each token the fewest neurons that hold `cover` of its attribution."""
    order = a.argsort(0, descending=True)
    before = a.gather(0, order).cumsum(0) - a.gather(0, order)
    needed = before < cover * a.sum(0)
    return torch.zeros_like(needed).scatter(0, order, needed) & (a > 0)


@probe(
    "ablate-neurons",
    tasks=COUNTED,
    kind="causal",
    metrics={
        "own_after": MetricSpec("accuracy on a token once its neurons are ablated", "1", 0, 1),
        "others_after": MetricSpec("accuracy on the other tokens then", "1", 0, 1),
        "selectivity": MetricSpec("own loss less the others' loss", "1", -1, 1),
        "neurons": MetricSpec("neurons ablated for one token, mean", "neurons", 0),
        "accuracy_before": MetricSpec("accuracy of the untouched model", "1", 0, 1),
        "chance": MetricSpec("accuracy of the best constant answer", "1", 0, 1),
    },
    parameters=lambda: {
        "cover": COVER,
        "ablation": "mean over counts of the token",
        "max_tokens": MAX_TOKENS,
    },
    # A neuron split in two counts twice.
    invariances=all_but("split_neurons"),
)
def ablate_neurons(context: CountContext) -> Measurement:
    """Accuracy by token when the neurons that carry most of one token's count are ablated."""
    task, tokens = context.task, context.tokens
    masks = serving(attributions(context), COVER)
    body = task.scored(tokens, 1)
    flat = context.activations.mean(1).to(context.logits.dtype)[body]
    chosen = (
        context.uniform_numbers("ablated tokens", (task.T,)).argsort()[:MAX_TOKENS].sort().values
    )
    table = []
    for t in chosen:

        def ablate(post: Tensor, hook: "HookPoint", mask: Tensor = masks[:, t]) -> Tensor:
            out = post.clone()
            scored = task.scored(out, 1)
            scored.copy_(torch.where(mask, flat, scored))
            return out

        with torch.no_grad():
            logits = context.model.run_with_hooks(
                tokens, fwd_hooks=[(context.hook_name("post"), ablate)]
            )
        table.append(_by_token(task.correct(logits, tokens), body, task.T))
    after = torch.stack(table)
    before = _by_token(task.correct(context.logits, tokens), body, task.T)
    own = after[torch.arange(len(chosen)), chosen]
    foreign = torch.ones(after.shape, dtype=torch.bool)
    foreign[torch.arange(len(chosen)), chosen] = False
    loss = before - after
    return Measurement(
        metrics={
            "own_after": own.nanmean(),
            "others_after": after[foreign].nanmean(),
            "selectivity": (before[chosen] - own).nanmean() - loss[foreign].nanmean(),
            "neurons": masks.double().sum(0).mean(),
            "accuracy_before": context.accuracy,
            "chance": task.chance(tokens),
        },
        arrays={"after": after, "chosen": chosen},
    )


def _by_token(
    correct: Bool[Tensor, "batch scored"], body: Tensor, T: int
) -> Float[Tensor, " token"]:
    right = torch.bincount(body.flatten(), correct.flatten().double(), minlength=T)
    return right / torch.bincount(body.flatten(), minlength=T)


ablate_neurons.applies(needs_neurons)


@ablate_neurons.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (_, right) = accuracy_bars(
        {
            "the token\nitself": result.value("own_after"),
            "other\ntokens": result.value("others_after"),
        },
        result.value("accuracy_before"),
        result.value("chance"),
        "Ablating one token's neurons",
        columns=2,
    )
    heatmap(
        right,
        np.asarray(result.arrays["after"]),
        x="token scored",
        y="neurons of token",
        bar="accuracy",
        vmin=0,
        vmax=1,
    )
    right.set_title("Accuracy by token")
    return figure


@ablate_neurons.words
def _say(result: ProbeResult) -> str:
    return (
        f"Ablating the {result.value('neurons'):.0f} neuron(s) that carry {100 * COVER:g} % of a"
        f" token's count leaves an accuracy of {result.value('own_after'):.2f} on that token and"
        f" {result.value('others_after'):.2f} on the others."
    )
