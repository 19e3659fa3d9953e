"""Remove the count component that a token shares with all others.

Gauge-free: difference vectors of residual means, not a projection. Relation-based models lose
their count with it, inventory-based ones do not.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechprobe.probes.counting.bars import accuracy_bars
from mechprobe.probes.counting.context import COUNTED, CountContext, needs_counts
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOUD = 2.0  # times its own size: a count that others read at more is left out of the mean


@dataclass(frozen=True)
class Removal:
    """Right answers with and without the shared component, at the positions looked at."""

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
    means: Float[Tensor, "target token count d"],
    first: int = 0,
    quiet: Bool[Tensor, " token"] | None = None,
) -> Float[Tensor, "target count d"]:
    """For each token, the mean over all others of M_s(c) less its mean over counts.

    Args:
        means: of successive targets.
        first: which token the first target is.
        quiet: the tokens that enter the mean; all of them unless given.
    """
    n, T = means.shape[:2]
    weights = torch.ones(n, T, dtype=means.dtype) if quiet is None else quiet.to(means).repeat(n, 1)
    weights[torch.arange(n), first + torch.arange(n)] = 0
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
    others = torch.einsum("ts,tscd->tcd", weights, means)
    return others - others.mean(1, keepdim=True)


def quiet(context: CountContext) -> Bool[Tensor, " token"]:
    """Tokens whose count others do not read at more than `LOUD` times its size: of a loud few the
    mean over tokens would hold little else."""
    sent = torch.from_numpy(context.transport.sharing.sent[:, 0])
    found: Tensor = ~(sent.abs() > LOUD)
    return found if found.sum() > 1 else torch.ones_like(found)


def remove(context: CountContext) -> Removal:
    """Go on with the shared component subtracted at hook_resid_mid of the last block, at the
    positions where counts are looked at (`CountContext.positions`; all of them where none are
    named)."""
    task, tokens = context.task, context.tokens
    resid, targets = context.resid_mid.clone(), task.targets(tokens)
    positions, bos, few = context.positions, int(task.bos), quiet(context)
    looked: list[Any] = [slice(None)] if positions is None else [at - bos for at in positions]
    body, scored = task.scored(tokens, 1), task.scored(resid, 1)
    for at, (reference, _) in zip(looked, context.places, strict=True):
        component = torch.cat(
            [
                shared_component(reference.means_of(piece), piece.start, few)
                for piece in reference.target_pieces()
            ]
        )
        counts = targets[:, at].clamp(max=component.shape[1])
        scored[:, at] -= component[body[:, at], counts - 1]
    with torch.no_grad():
        logits = context.model.read_out(resid)
    before, after = task.correct(context.logits, tokens), task.correct(logits, tokens)
    if positions is not None:
        before, after = before[:, looked], after[:, looked]
    return Removal(before, after, context.chance)


@probe(
    "remove-shared-count",
    tasks=COUNTED,
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
def _draw(result: ProbeResult) -> "Figure":
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
