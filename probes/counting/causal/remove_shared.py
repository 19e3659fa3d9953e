"""Remove the count component that a token shares with all others.

Gauge-free: difference vectors of residual means, not a projection. Relation-based models lose
their count with it, inventory-based ones do not.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from mechprobe.probes.counting.bars import accuracy_bars
from mechprobe.probes.counting.context import CountContext, needs_counts
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult


@dataclass(frozen=True)
class Removal:
    """Right answers with and without the shared component, at every scored position."""

    before: Bool[Tensor, "batch scored"]
    after: Bool[Tensor, "batch scored"]
    chance: float

    @property
    def lost(self) -> float:
        """Share of the above-chance accuracy that is lost; negative where removal helps."""
        return lost(
            self.before.double().mean().item(), self.after.double().mean().item(), self.chance
        )


def lost(before: float, after: float, chance: float) -> float:
    """Loss relative to what there is to lose above a constant answer."""
    return (before - after) / max(before - chance, 1e-9)


def shared_component(
    means: Float[Tensor, "target token count d"], first: int = 0
) -> Float[Tensor, "target count d"]:
    """For each token, the mean over all others of M_s(c) less its mean over counts.

    Args:
        means: of successive targets.
        first: which token the first target is.
    """
    n, T = means.shape[:2]
    own = means[torch.arange(n), first + torch.arange(n)]
    others = (means.sum(1) - own) / (T - 1)
    return others - others.mean(1, keepdim=True)


def remove(context: CountContext) -> Removal:
    """Go on with the shared component subtracted at hook_resid_mid of the last block."""
    task, tokens = context.task, context.tokens
    reference = context.reference
    parts = [
        shared_component(reference.means_of(piece), piece.start)
        for piece in reference.target_pieces()
    ]
    component = torch.cat(parts)
    body: Int[Tensor, "batch scored"] = task.scored(tokens, 1)
    counts = task.targets(tokens).clamp(max=component.shape[1])
    resid = context.resid_mid.clone()
    task.scored(resid, 1).sub_(component[body, counts - 1])
    with torch.no_grad():
        logits = context.model.read_out(resid)
    return Removal(
        task.correct(context.logits, tokens), task.correct(logits, tokens), task.chance(tokens)
    )


@probe(
    "remove-shared-count",
    kind="causal",
    metrics={
        "accuracy_before": MetricSpec("accuracy of the untouched model", "1", 0, 1),
        "accuracy_after": MetricSpec("accuracy without the shared count component", "1", 0, 1),
        "lost": MetricSpec("share of the above-chance accuracy lost", "1"),
        "chance": MetricSpec("accuracy of the best constant answer", "1", 0, 1),
    },
    invariances=INVARIANCES,
)
def remove_shared_count(context: CountContext) -> Measurement:
    """Accuracy once the count component common to all tokens is taken out."""
    removal = remove(context)
    return Measurement(
        metrics={
            "accuracy_before": removal.before.double().mean(),
            "accuracy_after": removal.after.double().mean(),
            "lost": removal.lost,
            "chance": removal.chance,
        }
    )


remove_shared_count.applies(needs_counts)


@remove_shared_count.figure
def _draw(result: ProbeResult) -> Figure:
    figure, _ = accuracy_bars(
        {"shared count\ncomponent removed": result.value("accuracy_after")},
        result.value("accuracy_before"),
        result.value("chance"),
        "Removing the shared count component",
    )
    return figure


@remove_shared_count.words
def _say(result: ProbeResult) -> str:
    return (
        f"Without the count component that tokens share, accuracy goes from"
        f" {result.value('accuracy_before'):.2f} to {result.value('accuracy_after'):.2f}"
        f" ({round(result.value('lost'), 2) + 0.0:.0%} of what was above chance)."
    )
