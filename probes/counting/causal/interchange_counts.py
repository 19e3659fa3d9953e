"""Which causal model of counting a network carries out, by interchange interventions, and how far
each token receives, sends and uses another one's count (see probes/counting/interchange.py)."""

from typing import TYPE_CHECKING

import numpy as np

from mechprobe.probes.counting import placebos
from mechprobe.probes.counting.causal_accuracy import (
    CONTROLS,
    HALF,
    MODELS,
    READINGS,
    TOKENS,
    WHOLE,
    best_model,
    every,
    named_with_controls,
    with_controls,
)
from mechprobe.probes.counting.context import COUNTED, CountContext, needs_counts
from mechprobe.probes.counting.interchange import interchanges
from mechprobe.probes.counting.placebos import controls
from mechprobe.probes.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, blank, legend_below
from mechprobe.probes.invariances import all_but
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _specs() -> dict[str, MetricSpec]:
    plain = (
        {
            model + reading: text.format(words)
            for reading, text in READINGS.items()
            for model, words in MODELS.items()
        }
        | TOKENS
        | WHOLE
    )
    return {name: MetricSpec(text, "1", 0, 1) for name, text in named_with_controls(plain).items()}


@probe(
    "interchange-counts",
    tasks=COUNTED,
    kind="causal",
    metrics=_specs(),
    parameters=lambda: {"half": HALF, "control_bases": placebos.BASES},
    # An untrained network of another width is another control.
    invariances=all_but("split_neurons", "add_dead_neurons"),
)
def interchange_counts(context: CountContext) -> Measurement:
    """Interchange counts between tokens: is the answer exactly what a causal model predicts?"""
    found = interchanges(context)
    metrics = with_controls(found, controls(context, found), every)
    arrays = {
        "followed": found.mean.followed(),
        "kept": found.mean.kept(),
        "followed_single": found.single.followed(),
        "kept_single": found.single.kept(),
        "needs": found.needs,
        "size": found.size,
        "counter": found.counters,
        "own": found.own(),
        "received": found.received(),
        "sent": found.sent(),
        "used": found.used(),
    }
    return Measurement(metrics=metrics, arrays=arrays)


interchange_counts.applies(needs_counts)


@interchange_counts.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (left, right) = blank(2, width=4.8)
    names, places = list(MODELS), np.arange(len(MODELS))
    left.bar(places - 0.2, [result.value(n) for n in names], 0.36, color=BLUE, label="count means")
    left.bar(
        places + 0.2, [result.value(f"{n}_single") for n in names], 0.36, color=GREEN,
        label="single sequences",
    )  # fmt: skip
    for control, marker in (("untrained", "o"), ("shuffled", "s"), ("random", "^")):
        for suffix, shift in (("", -0.2), ("_single", 0.2)):
            left.plot(
                places + shift, [result.value(f"{n}{suffix}_{control}") for n in names], marker,
                ms=4, mfc="white", color=GREY, lw=0, label=None if suffix else control,
            )  # fmt: skip
    left.set(
        xticks=places, xticklabels=["relation", "inventory", "grouped"], ylim=(0, 1.05),
        ylabel="answers as predicted", title="Interchange accuracy and its controls",
    )  # fmt: skip
    counter = result.arrays["counter"]
    order = np.lexsort((np.arange(len(counter)), counter))
    rows = (("received", BLUE, "o"), ("sent", ORANGE, "s"), ("used", PURPLE, "^"))
    for name, paint, marker in rows:
        values = np.asarray(result.arrays[name], float)[order]
        most = max(result.value(f"{name}_{control}") for control in CONTROLS)
        right.plot(values, marker, ms=4, color=paint, alpha=0.7, label=name)
        right.axhline(most, color=paint, lw=0.8, ls=":")
    right.set(
        xlabel="token, ordered by counter", ylim=(-0.05, 1.05), ylabel="share",
        title="What each token does (dotted: largest control)",
    )  # fmt: skip
    for axes in (left, right):
        legend_below(axes, 3)
    return figure


@interchange_counts.words
def _say(result: ProbeResult) -> str:
    best, above = best_model(result.value)
    said = (
        f"After interchanges the answers are those of the causal model with {MODELS[best]} in"
        f" {result.value(best):.0%} (controls: at most {above:.0%}),"
        f" {result.value('lead'):.0%} ahead of the next; {result.value('part'):.0%} of the tokens"
        " receive, send and use other tokens' counts"
    )
    torn = result.value("torn")
    return said + (f", {torn:.0%} do some of it but not all." if torn else ".")
