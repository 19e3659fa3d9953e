"""The count component of one token, patched into another (see probes/counting/transport.py)."""

from typing import TYPE_CHECKING

import numpy as np

from mechprobe.probes.counting import transport
from mechprobe.probes.counting.context import COUNTED, CountContext, needs_counts
from mechprobe.probes.counting.label.rule import PRIVATE, SHARED, token_shares
from mechprobe.probes.drawing import BLUE, GREY, ORANGE, blank, heatmap
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@probe(
    "count-transport",
    tasks=COUNTED,
    metrics={
        "kappa": MetricSpec(
            "cross-token over own slope, as far as sent and received; mean over tokens", "1", -1, 1
        ),
        "own_slope": MetricSpec("answer's slope on a token's own count component", "1"),
        "cross_slope": MetricSpec("the same for another token's component, mean", "1"),
        "shared": MetricSpec(f"share of tokens with kappa at least {SHARED}", "1", 0, 1),
        "private": MetricSpec(f"share of tokens with |kappa| at most {PRIVATE}", "1", 0, 1),
        "counters": MetricSpec("clusters of tokens that carry each other's counts", "counters", 1),
    },
    parameters=lambda: {"doses": list(transport.DOSES), "cut": transport.CUT},
    invariances=INVARIANCES,
)
def count_transport(context: CountContext) -> Measurement:
    """Which tokens share a counter: slopes of one token's answer on another's count."""
    found = context.transport
    X, kappa = found.matrix(), found.kappa()
    known = kappa[~np.isnan(kappa)]
    shared, private = token_shares(kappa)
    other = ~np.eye(len(X), dtype=bool)
    return Measurement(
        metrics={
            "kappa": known.mean() if len(known) else None,
            "own_slope": np.diagonal(X).mean(),
            "cross_slope": X[other].mean(),
            "shared": shared,
            "private": private,
            "counters": found.counters.max() + 1,
        },
        arrays={"matrix": X, "kappa": kappa, "counter": found.counters},
    )


count_transport.applies(needs_counts)


@count_transport.figure
def _draw(result: ProbeResult) -> "Figure":
    import seaborn as sns

    counter, kappa = result.arrays["counter"], result.arrays["kappa"]
    order = np.lexsort((np.arange(len(counter)), counter))
    figure, (left, right) = blank(2)
    X = result.arrays["matrix"][np.ix_(order, order)]
    limit = max(1.0, float(np.nanmax(np.abs(X))))
    heatmap(
        left,
        X,
        x="source token",
        y="target token",
        bar="slope of the answer",
        cmap="PuOr_r",
        vmin=-limit,
        vmax=limit,
        square=True,
    )
    left.set_xticks([])
    left.set_yticks([])
    edges = np.flatnonzero(np.diff(counter[order])) + 1
    if len(edges) < len(order) // 2:
        for edge in edges:
            left.axhline(float(edge), color=GREY, lw=0.8)
            left.axvline(float(edge), color=GREY, lw=0.8)
    left.set_title("Transport X, ordered by counter")
    shown = kappa[~np.isnan(kappa)].clip(-1.5, 1.5)
    sns.histplot(x=shown, ax=right, bins=30, binrange=(-1.5, 1.5), color=BLUE)
    for limit, name in ((SHARED, "shared ≥ 0.7"), (PRIVATE, "private ≤ 0.3"), (-PRIVATE, None)):
        right.axvline(limit, color=ORANGE, ls="--" if limit == SHARED else ":", label=name)
    right.set(
        xlabel="κ (cross-token / own slope)", ylabel="tokens", title="Transport of every token"
    )
    right.legend(fontsize=7)
    return figure


@count_transport.words
def _say(result: ProbeResult) -> str:
    if result.metrics["kappa"].value is None:
        return (
            "No token's answer follows its own count component: there is nothing to compare"
            " transport between tokens with."
        )
    return (
        f"Patched between tokens, the count moves the answer {result.value('kappa'):.2f} times as"
        f" far as a token's own; {result.value('shared'):.0%} of the tokens share a counter,"
        f" {result.value('private'):.0%} keep a private one,"
        f" {result.value('counters'):.0f} counter(s) in all."
    )
