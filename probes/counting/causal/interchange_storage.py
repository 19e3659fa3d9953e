"""After which block a deep network keeps the count, and in which counters, by interchanges of
counts at every block (see probes/counting/storage.py)."""

from typing import TYPE_CHECKING

import numpy as np

from mechprobe.models import HistogramTask
from mechprobe.probes.controls import CONTROLS
from mechprobe.probes.counting import storage
from mechprobe.probes.counting.context import CountContext, needs_counts
from mechprobe.probes.counting.placebos import BASES
from mechprobe.probes.counting.storage import MODELS
from mechprobe.probes.drawing import BLUE, GREY, blank
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer


@probe(
    "interchange-storage",
    kind="causal",
    metrics={name: MetricSpec(text, "1", 0, 1) for name, text in storage.told().items()},
    parameters=lambda: {"foreign": storage.FOREIGN, "bases": BASES},
)
def interchange_storage(context: CountContext) -> Measurement:
    """Interchange counts at every block: after which one is the count kept, and who shares it?"""
    return Measurement(storage.numbers(context))


@interchange_storage.applies
def _why_not(model: "HookedTransformer", task: HistogramTask) -> str | None:
    if model.cfg.n_layers == 1:
        return "the model has one block; use interchange-counts"
    return needs_counts(model, task)


@interchange_storage.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (axes,) = blank()
    places = np.arange(len(MODELS))
    axes.bar(places, [result.value(name) for name in MODELS], 0.6, color=BLUE)
    for control, marker in zip(CONTROLS, "os^", strict=True):
        axes.plot(
            places, [result.value(f"{name}_{control}") for name in MODELS], marker, ms=5,
            mfc="white", color=GREY, lw=0, label=control,
        )  # fmt: skip
    axes.set(
        xticks=places, ylim=(0, 1.05), ylabel="answers as predicted",
        title="Where the count is stored: causal models and their controls",
    )  # fmt: skip
    axes.set_xticklabels([name.replace("_", "\n") for name in MODELS], fontsize=8)
    axes.legend(fontsize=7)
    return figure


@interchange_storage.words
def _say(result: ProbeResult) -> str:
    text = storage.sentence({name: result.value(name) for name in storage.told()})
    return f"{text[0].upper()}{text[1:]}."
