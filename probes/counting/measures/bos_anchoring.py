"""Does attention to BOS carry the count?

With a softmax and score gap a between a token's own kind and BOS the mass on BOS is
1 / (1 + c e^a + ...): its inverse is linear in the count c (arXiv:2407.11542, section 3).
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.context import COUNTED, CountContext, needs_counts
from mechprobe.probes.counting.heads import in_main_head, main_head_array
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.drawing import BLUE, ORANGE, blank
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer


def line_fit(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
) -> tuple[float, float, float | None]:
    """Intercept, slope and R^2 of a least-squares line; R^2 is None where y does not vary."""
    centred = x - x.mean()
    slope = centred @ (y - y.mean()) / (centred @ centred)
    intercept = y.mean() - slope * x.mean()
    spread = y.var()
    if spread <= 1e-12 * max(1e-30, float((y**2).mean())):
        return float(intercept), float(slope), None
    return float(intercept), float(slope), float(1 - (y - slope * x - intercept).var() / spread)


@probe(
    "bos-anchoring",
    tasks=COUNTED,
    metrics={
        "bos_score": MetricSpec("row-centred score to BOS, mean over tokens", "score"),
        "bos_score_positive": MetricSpec("share of tokens with a positive one", "1", 0, 1),
        "bos_mass": MetricSpec("mean mixing weight on BOS", "weight"),
        "mass_slope": MetricSpec(
            "change of the BOS weight from the least to the greatest count", "weight"
        ),
        "inverse_r2": MetricSpec(
            "R² of 1/(BOS weight) as a line in the count, mean over tokens", "1", None, 1
        ),
        "linear_r2": MetricSpec("R² of the BOS weight as a line in the count", "1", None, 1),
        "gap": MetricSpec("a in 1/(c e^a + ...), from the inverse fits, mean", "score"),
    },
    invariances=INVARIANCES,
)
def bos_anchoring(context: CountContext) -> Measurement:
    """How the main head's attention to BOS depends on token and count."""
    data = context.reference.data
    layer, head = context.main_head
    scores, weights = (part.double() for part in context.attention_at(data, layer, head))
    centred = scores[..., 0] - scores.mean(-1)
    mass = weights[..., 0]
    per_token = centred.mean((1, 2))
    # Where every score is the same, rounding is all there is.
    rounding = 1e-5 * scores.abs().max()
    by_count = mass.mean((0, 2)).numpy()
    count = data.counts.double().numpy()
    _, _, linear = line_fit(count, by_count)
    r2s, gaps = [], []
    each = mass.mean(2).numpy()
    if (each > 0).all() and context.model.mixers[layer].softmax:
        for one in each:
            _, slope, r2 = line_fit(count, 1 / one)
            if r2 is not None:
                r2s.append(r2)
                # 1/w = k + c e^a: the slope is e^a where it is positive.
                gaps += [np.log(slope)] if slope > 0 else []
    return Measurement(
        metrics={
            "bos_score": per_token.mean(),
            "bos_score_positive": (per_token > rounding).double().mean(),
            "bos_mass": mass.mean(),
            "mass_slope": by_count[-1] - by_count[0],
            "inverse_r2": np.mean(r2s) if r2s else None,
            "linear_r2": linear,
            "gap": np.mean(gaps) if gaps else None,
        },
        arrays={"mass": mass.mean(2), "score": per_token, "count": count}
        | main_head_array(context.model, context.main_head),
    )


@bos_anchoring.applies
def _needs_bos(model: "HookedTransformer", task: HistogramTask) -> str | None:
    if not task.bos:
        return "the model has no BOS token"
    return needs_counts(model, task) or lacks(model, "scores")


@bos_anchoring.figure
def _draw(result: ProbeResult) -> "Figure":
    import seaborn as sns

    mass, count = result.arrays["mass"], result.arrays["count"]
    figure, (left, right) = blank(2)
    for one in mass:
        left.plot(count, one, color=BLUE, alpha=0.25, lw=0.8)
    left.plot(count, mass.mean(0), color=ORANGE, lw=2, marker="o", ms=4, label="mean over tokens")
    left.set(xlabel="count", ylabel="mixing weight on BOS", title="BOS mass against count")
    left.legend(fontsize=7)
    score = np.sort(result.arrays["score"])
    sns.barplot(x=np.arange(len(score)), y=score, ax=right, color=BLUE)
    right.set(
        xlabel="token (sorted)",
        ylabel="row-centred score to BOS",
        title="Anchoring by token",
        xticks=[],
    )
    return figure


@bos_anchoring.words
def _say(result: ProbeResult) -> str:
    positive = result.value("bos_score_positive")
    text = (
        f"{in_main_head(result)}{positive:.0%} of the tokens score BOS above the rest of their row."
    )
    fit = result.metrics["inverse_r2"].value
    if fit is not None:
        text += f" The inverse of the BOS weight is a line in the count with R² = {fit:.2f}."
    return text
