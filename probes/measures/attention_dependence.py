"""What the mixing weights depend on: tokens, positions, both or neither.

Token variance: how w_ij varies over inputs with the positions i, j held. Position variance: how
w_ij varies within one sequence over position pairs that hold the same two tokens. A constant
matrix has none of the first; a model without positions none of the second.
"""

import numpy as np
import seaborn as sns
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from probes.counting import CountContext
from probes.drawing import BLUE, ORANGE, blank, heatmap
from probes.heads import named, where
from probes.invariances import INVARIANCES
from probes.registry import Measurement, MetricSpec, probe
from probes.results import ProbeResult


def token_variance(pattern: Float[Tensor, "batch q k"]) -> Float[Tensor, " batch"]:
    """Each sequence's part in the variance over inputs at fixed positions; the mean is unbiased."""
    n = pattern.shape[0]
    return (pattern - pattern.mean(0)).square().mean((1, 2)) * n / (n - 1)


def position_variance(
    pattern: Float[Tensor, "batch q k"], tokens: Int[Tensor, "batch pos"], n_vocab: int
) -> Float[Tensor, " batch"]:
    """Variance within groups of position pairs that hold the same (query, key) tokens, unbiased.

    Sequences without such a group count as zero evidence and are NaN.
    """
    batch = pattern.shape[0]
    row = torch.arange(batch).view(-1, 1, 1) * n_vocab**2
    group = (row + tokens.unsqueeze(-1) * n_vocab + tokens.unsqueeze(-2)).flatten()
    _, group = torch.unique(group, return_inverse=True)
    values = pattern.flatten()
    size = torch.zeros(int(group.max()) + 1, dtype=values.dtype).index_add_(
        0, group, torch.ones_like(values)
    )
    # Shifting by one member keeps a group of equal values at exactly zero.
    first = torch.zeros_like(size).index_copy_(0, group, values)
    centred = values - first[group]
    total = torch.zeros_like(size).index_add_(0, group, centred)
    squares = (centred - (total / size)[group]).square()
    sums = torch.zeros_like(size).index_add_(0, group, squares)
    sequence = torch.zeros_like(group[: size.shape[0]]).index_copy_(
        0, group, torch.arange(batch).view(-1, 1, 1).expand(pattern.shape).flatten()
    )
    several = (size > 1).to(values.dtype)
    degrees = torch.zeros(batch, dtype=values.dtype).index_add_(0, sequence, (size - 1) * several)
    within = torch.zeros(batch, dtype=values.dtype).index_add_(0, sequence, sums)
    return torch.where(degrees > 0, within / degrees.clamp(min=1), torch.nan)


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
    split = variation(context)
    task = context.task
    body = task.scored(context.tokens, 1)
    layer, head = context.main_head
    weights, scores = (
        task.scored(task.scored(context.cache[name, layer][:, head].double(), 1), 2)
        for name in ("pattern", "attn_scores")
    )
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
            "pattern": context.cache["pattern", layer][example, head],
            "tokens": context.tokens[example],
            "contrast": contrast,
        }
        | named(context.model, context.main_head),
    )


class Variation:
    """Token and position variance of the mixing weights, sequence by sequence."""

    def __init__(
        self,
        token: Float[np.ndarray, " batch"],
        position: Float[np.ndarray, " batch"],
        square: Float[np.ndarray, " batch"],
    ) -> None:
        self.token = token
        self.position = position
        self.square = square

    def splits(
        self, rows: Int[np.ndarray, "set n"]
    ) -> tuple[Float[np.ndarray, " set"], Float[np.ndarray, " set"]]:
        """Share due to tokens, and all variation relative to the weights, over some sequences."""
        token = self.token[rows].mean(-1)
        known = ~np.isnan(self.position)
        number = known[rows].sum(-1)
        position = np.where(known, self.position, 0.0)[rows].sum(-1) / np.maximum(number, 1)
        total = token + position
        scale = self.square[rows].mean(-1)
        varied = total > 1e-12 * np.maximum(scale, 1e-300)
        share = np.where(varied, token / np.where(varied, total, 1.0), 0.0)
        return share, np.sqrt(np.where(scale > 0, total / np.where(scale > 0, scale, 1.0), 0.0))

    def split(self) -> tuple[float, float]:
        """The same over all sequences."""
        share, relative = self.splits(np.arange(len(self.token))[np.newaxis])
        return float(share[0]), float(relative[0])

    @property
    def share(self) -> float:
        """Share of the variation due to tokens."""
        return self.split()[0]

    @property
    def relative(self) -> float:
        """All variation, relative to the root mean square weight."""
        return self.split()[1]


def variation(context: CountContext) -> Variation:
    """Split the variation of a model's mixing weights on its own sequences: means of the variances
    and squares over all heads of all blocks."""
    task = context.task
    body = task.scored(context.tokens, 1)
    heads = []
    for name in context.hook_names("pattern"):
        for pattern in context.cache[name].unbind(1):
            rows = task.scored(pattern.double(), 1)
            position = position_variance(task.scored(rows, 2), body, task.n_vocab)
            heads.append((token_variance(rows), position, rows.square().mean((1, 2))))
    means = (torch.stack(part).mean(0).numpy() for part in zip(*heads, strict=True))
    return Variation(*means)


def example_sequence(body: Int[Tensor, "batch pos"]) -> int:
    """A sequence to show: a good fifth of its pairs are equal, so that these can be seen."""
    L = body.shape[1]
    same = (body.unsqueeze(-1) == body.unsqueeze(-2)).double().sum((1, 2)) - L
    return int((same / (L * (L - 1)) - 0.22).abs().argmin())


@attention_dependence.figure
def _draw(result: ProbeResult) -> Figure:
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
        text += f" {where(result)}{share}"
    return text
