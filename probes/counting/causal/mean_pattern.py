"""Replace the mixing weights by their mean over inputs: must they depend on tokens?"""

from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.bars import accuracy_bars
from mechprobe.probes.counting.causal.remove_shared import lost
from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer


def fix_pattern(context: CountContext) -> Float[Tensor, "batch pos classes"]:
    """Answers with the mixing weights of every head in every block held at their mean over inputs
    (in the untouched model), position by position."""

    def replace(mean: Tensor, pattern: Tensor, hook: "HookPoint") -> Tensor:
        return mean.expand_as(pattern).clone()

    hooks = [
        (mixing.hooks["pattern"], partial(replace, weights.mean(0)))
        for mixing, weights in zip(context.model.mixers, context.patterns, strict=True)
    ]
    with torch.no_grad():
        logits: Tensor = context.model.run_with_hooks(context.tokens, fwd_hooks=hooks)
    return logits


@probe(
    "mean-pattern",
    tasks=COUNTED,
    kind="causal",
    metrics={
        "accuracy_before": MetricSpec("accuracy of the untouched model", "1", 0, 1),
        "accuracy_after": MetricSpec("accuracy with the mean pattern", "1", 0, 1),
        "lost": MetricSpec("share of the above-chance accuracy lost", "1"),
        "chance": MetricSpec("accuracy of the best constant answer", "1", 0, 1),
    },
    invariances=INVARIANCES,
)
def mean_pattern(context: CountContext) -> Measurement:
    """Accuracy with mixing weights that do not depend on the input."""
    tokens, task = context.tokens, context.task
    logits = fix_pattern(context)
    after, chance = task.accuracy(logits, tokens), task.chance(tokens)
    return Measurement(
        metrics={
            "accuracy_before": context.accuracy,
            "accuracy_after": after,
            "lost": lost(context.accuracy, after, chance),
            "chance": chance,
        }
    )


@mean_pattern.applies
def _needs_weights(model: "HookedTransformer", task: HistogramTask) -> str | None:
    return lacks(model, "weights")


@mean_pattern.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, _ = accuracy_bars(
        {"mean pattern": result.value("accuracy_after")},
        result.value("accuracy_before"),
        result.value("chance"),
        "Mixing weights without input dependence",
    )
    return figure


@mean_pattern.words
def _say(result: ProbeResult) -> str:
    return (
        f"With mixing weights fixed at their mean, accuracy goes from"
        f" {result.value('accuracy_before'):.2f} to {result.value('accuracy_after'):.2f}."
    )
