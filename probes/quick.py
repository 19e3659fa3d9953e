"""Label and cheap measures of one model over one shared context, as a sweep stores them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mechprobe.probes.labelling import label_in
from mechprobe.probes.reading import context_for
from mechprobe.probes.registry import find_probe
from mechprobe.probes.results import MechanismLabel

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

MEASURE = "."  # in the name of a probe's metric: "probe.metric"
CHEAP = (
    "mutual-coherence",
    "bos-anchoring",
    "attention-dependence",
    "count-transport",
    "counting-subspace",
    "readout",
)


def quick(
    model: "HookedTransformer", seed: int = 0, probes: Sequence[str] = CHEAP
) -> tuple[MechanismLabel, dict[str, float | None]]:
    """Label a model and measure it with a few probes.

    Args:
        model: hooked model, in either view.
        seed: of every random draw.
        probes: names; those that do not apply to the model are left out.

    Returns:
        The label, and {"probe.metric": value} with None where a metric is not defined.

    Raises:
        MechprobeError: a name is unknown, a probe failed, or there is no label for the model.
    """
    chosen = [find_probe(name) for name in probes]
    context = context_for(model, seed=seed)
    verdict = label_in(context)
    results = [p.on(context) for p in chosen if p.why_not(model, context.task) is None]
    return verdict, {
        f"{result.probe}{MEASURE}{name}": metric.value
        for result in results
        for name, metric in result.metrics.items()
    }
