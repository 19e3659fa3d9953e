"""Causal models of attention in a picture and in words, for the probes of every task."""

from typing import TYPE_CHECKING

import numpy as np

from mechprobe.probes.controls import CONTROLS, largest_control
from mechprobe.probes.drawing import BLUE, GREY, blank
from mechprobe.probes.mixing_accuracy import NAMES, best, rivals
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bars(result: ProbeResult, what: str) -> "Figure":
    """Every causal model of attention with its controls."""
    figure, (axes,) = blank()
    places = np.arange(len(NAMES))
    axes.set(
        xticks=places, xticklabels=NAMES, ylim=(0, 1.05), xlim=(-0.6, len(NAMES) - 0.4),
        ylabel=what, title="Causal models of attention and their controls",
    )  # fmt: skip
    if any(result.metrics[name].value is None for name in NAMES):
        axes.text(0.5, 0.5, "nothing tells them apart", ha="center", transform=axes.transAxes)
        return figure
    axes.bar(places, [result.value(name) for name in NAMES], 0.6, color=BLUE)
    for control, marker in zip(CONTROLS, "os^", strict=True):
        values = [result.metrics[f"{name}_{control}"].value for name in NAMES]
        axes.plot(
            places, [np.nan if value is None else value for value in values], marker, ms=5,
            mfc="white", color=GREY, lw=0, label=control,
        )  # fmt: skip
    axes.legend(fontsize=7)
    return figure


def words(result: ProbeResult, intro: str) -> str:
    """The best causal model and its controls in words."""
    if any(result.metrics[name].value is None for name in NAMES):
        return "Interchanges of the mixing weights do not tell causal models of attention apart."
    first = best({name: result.value(name) for name in NAMES})

    def share(name: str) -> str:
        above = largest_control(name, lambda name: result.metrics[name].value)
        return f"{name} attention in {result.value(name):.0%} (controls: at most {above:.0%})"

    text = f"{intro} {share(first)}"
    others = [share(name) for name in rivals(first)]
    return f"{text[0].upper()}{text[1:]}; of its rivals {', '.join(others)}."
