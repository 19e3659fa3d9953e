"""Which part of the attention scores comes from positions, from content, from both?

With h = (x + p) Q / sqrt(d) the scores h h^T are a sum of position-position, token-token and
cross terms; token-token splits again into the teacher's directions and the rest
(arXiv:2402.03902, section 3: h is a positional mean plus a field of variance q).
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mechprobe.probes.drawing import PARTS, blank, heatmap
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult
from mechprobe.probes.teacher.context import TeacherContext

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = ("positional", "semantic", "cross", "rest")


def score_terms(context: TeacherContext) -> dict[str, Float[Tensor, "batch q k"]]:
    """The four terms of the scores on the test sequences, less their mean over keys: a softmax
    does not see a constant added to a row."""
    p, s, r = (context.parts[name] for name in ("positional", "semantic", "rest"))
    z = s + r
    terms = {
        "positional": p @ p.mT,
        "semantic": s @ s.mT,
        "cross": p @ z.mT + z @ p.mT,
        "rest": z @ z.mT - s @ s.mT,
    }
    return {name: term - term.mean(-1, keepdim=True) for name, term in terms.items()}


@probe(
    "score-shares",
    metrics={
        f"{name}_share": MetricSpec(f"share of the scores' power due to {text}", "1")
        for name, text in zip(
            SHARES,
            (
                "positions alone",
                "tokens along the teacher",
                "positions times tokens",
                "tokens across the teacher",
            ),
            strict=True,
        )
    }
    | {"score_size": MetricSpec("root mean square of the row-centred scores", "score", 0)},
    tasks=("attention-regression",),
)
def score_shares(context: TeacherContext) -> Measurement:
    """Where a student's scores come from: positions, tokens along its teacher or across it.

    A term's share is its mean product with the whole over the whole's mean square; the shares
    add to one exactly.
    """
    terms = score_terms(context)
    whole = sum(terms.values())
    assert isinstance(whole, Tensor)
    power = whole.square().mean().item()
    shares = {
        f"{name}_share": (term * whole).mean().item() / power if power > 0 else None
        for name, term in terms.items()
    }
    pattern = context.activations_at([context.hook_name("pattern")])[0][:, 0].mean(0)
    target = context.task.mixing(context.inputs).mean(0)
    return Measurement(
        metrics={**shares, "score_size": power**0.5},
        arrays={"pattern": pattern, "target": target},
    )


@score_shares.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (left, middle, right) = blank(3, width=3.6)
    values = [100 * np.nan_to_num(result.value(f"{name}_share")) for name in SHARES]
    bars = left.bar(SHARES, values, color=[PARTS[name] for name in SHARES])
    left.bar_label(bars, fmt="%.0f", fontsize=8)
    left.margins(y=0.12)
    left.axhline(0, color="black", lw=0.6)
    left.set(ylabel="share of the scores' power (%)", title="Where scores come from")
    left.tick_params(axis="x", labelsize=8)
    for axes, name, title in ((middle, "pattern", "Mean attention"), (right, "target", "Target")):
        heatmap(
            axes, result.arrays[name], x="key position", y="query position", bar="weight",
            vmin=0, vmax=1,
        )  # fmt: skip
        axes.set_title(title)
    return figure


@score_shares.words
def _say(result: ProbeResult) -> str:
    shares = {name: result.metrics[f"{name}_share"].value for name in SHARES}
    if any(share is None for share in shares.values()):
        return "The scores are the same for every key: attention is uniform."
    listed = ", ".join(f"{100 * (share or 0):.0f} % {name}" for name, share in shares.items())
    return f"The row-centred scores are {listed} (rest: tokens across the teacher's directions)."
