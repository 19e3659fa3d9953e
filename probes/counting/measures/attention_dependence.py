"""What the mixing weights depend on: tokens, positions, both or neither (`variation.py`).

A constant matrix has no token variance; a model without positions no position variance.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.heads import in_main_head, main_head_array
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.drawing import BLUE, ORANGE, blank, heatmap
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer


def same_token_contrast(
    scores: Float[Tensor, "batch q k"], tokens: Int[Tensor, "batch pos"], T: int
) -> Float[Tensor, " T"]:
    """Mean score to equal tokens elsewhere less mean score to different ones, per query token.

    Compared within rows that hold both, so that a constant in a row does not count; NaN for
    tokens that have no such row.
    """
    same = tokens.unsqueeze(-1) == tokens.unsqueeze(-2)
    equal = same & ~torch.eye(tokens.shape[1], dtype=torch.bool)
    here = equal.any(-1) & (~same).any(-1)
    means = [(scores * pairs).sum(-1) / pairs.sum(-1).clamp(min=1) for pairs in (equal, ~same)]
    rows = (means[0] - means[1])[here]
    total = torch.zeros(T, dtype=scores.dtype).index_add_(0, tokens[here], rows)
    return total / torch.bincount(tokens[here], minlength=T)


@probe(
    "attention-dependence",
    tasks=COUNTED,
    metrics={
        "token_share": MetricSpec("share of the weights' variation due to tokens", "1", 0, 1),
        "variation": MetricSpec("root of the variation over root mean square weight", "1", 0),
        "contrast": MetricSpec("score to equal tokens less to different ones", "score"),
        "contrast_positive": MetricSpec("share of tokens that attract their own kind", "1", 0, 1),
        "same_mass": MetricSpec("weight on equal tokens elsewhere, mean", "weight"),
        "different_mass": MetricSpec("weight on a different token, mean", "weight"),
    },
    invariances=INVARIANCES,
)
def attention_dependence(context: CountContext) -> Measurement:
    """Whether mixing depends on tokens or on positions, and how it treats equal tokens."""
    split = context.variation
    task = context.task
    body = task.scored(context.tokens, 1)
    layer, head = context.main_head
    pattern, scores = context.patterns[layer][:, head], _scores(context, layer, head)
    weights = task.scored(task.scored(pattern.double(), 1), 2)
    contrast = same_token_contrast(scores, body, task.T)
    known = contrast[~contrast.isnan()]
    same = (body.unsqueeze(-1) == body.unsqueeze(-2)) & ~torch.eye(task.L, dtype=torch.bool)
    different = body.unsqueeze(-1) != body.unsqueeze(-2)
    # Where every score is the same, rounding is all there is.
    rounding = 1e-5 * scores.abs().max()
    example = example_sequence(body)
    return Measurement(
        metrics={
            "token_share": split.share,
            "variation": split.relative,
            "contrast": known.mean(),
            "contrast_positive": (known > rounding).double().mean(),
            "same_mass": weights[same].mean(),
            "different_mass": weights[different].mean(),
        },
        arrays={
            "pattern": pattern[example],
            "tokens": context.tokens[example],
            "contrast": contrast,
        }
        | main_head_array(context.model, context.main_head),
    )


def _scores(context: CountContext, layer: int, head: int) -> Float[Tensor, "batch q k"]:
    """Scores of a head without BOS; its weights where they are not made of scores."""
    hooks, task = context.model.mixers[layer].hooks, context.task
    whole = (
        context.activations_at([hooks["attn_scores"]])[0]
        if "attn_scores" in hooks
        else context.patterns[layer]
    )
    return task.scored(task.scored(whole[:, head].double(), 1), 2)


@attention_dependence.applies
def _needs_weights(model: "HookedTransformer", task: HistogramTask) -> str | None:
    return lacks(model, "weights")


def example_sequence(body: Int[Tensor, "batch pos"]) -> int:
    """A sequence to show: a good fifth of its pairs are equal, so that these can be seen."""
    L = body.shape[1]
    same = (body.unsqueeze(-1) == body.unsqueeze(-2)).double().sum((1, 2)) - L
    return int((same / (L * (L - 1)) - 0.22).abs().argmin())


@attention_dependence.figure
def _draw(result: ProbeResult) -> "Figure":
    import seaborn as sns
    from matplotlib.patches import Rectangle

    figure, (left, right) = blank(2)
    tokens = result.arrays["tokens"].astype(int)
    bos = tokens[0] not in tokens[1:] and tokens[0] == len(result.arrays["contrast"])
    names = ["BOS" if bos and i == 0 else str(t) for i, t in enumerate(tokens)]
    pattern = result.arrays["pattern"]
    signed = bool((pattern < 0).any())
    heatmap(left, pattern, x="key token", y="query token", bar="mixing weight", diverging=signed)
    at = np.arange(len(names)) + 0.5
    left.set_xticks(at, names, fontsize=7)
    left.set_yticks(at, names, fontsize=7)
    left.set_title("Example; equal tokens framed")
    for i, t in enumerate(tokens):
        for j, s in enumerate(tokens):
            if t == s and not (bos and (i == 0 or j == 0)):
                left.add_patch(Rectangle((j, i), 1, 1, fill=False, ec=ORANGE, lw=1.2))
    contrast = np.sort(result.arrays["contrast"][~np.isnan(result.arrays["contrast"])])
    sns.barplot(x=np.arange(len(contrast)), y=contrast, ax=right, color=BLUE)
    right.axhline(0, color="k", lw=0.8)
    right.set(
        xlabel="token (sorted)",
        ylabel="score, equal less different token",
        title="Same-token contrast",
        xticks=[],
    )
    return figure


@attention_dependence.words
def _say(result: ProbeResult) -> str:
    text = (
        f"{result.value('token_share'):.0%} of the variation of the mixing weights is due to"
        f" tokens, the rest to positions; all variation is"
        f" {result.value('variation'):.0%} of the weights' size."
    )
    if result.metrics["contrast_positive"].value is not None:
        share = f"{result.value('contrast_positive'):.0%} of the tokens attract their own kind."
        text += f" {in_main_head(result)}{share}"
    return text
