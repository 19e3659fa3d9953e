"""Where attention scores come from: positions, content, both at once, queries or keys alone?

Exact for the first block, measured for deeper ones; see `probes/counting/sources.py`.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.score_terms import SOURCES, TERMS, identity_cosine
from mechprobe.probes.counting.source_runs import constant_scores, why_not_split
from mechprobe.probes.counting.sources import Sources, sources
from mechprobe.probes.drawing import PARTS, blank, heatmap, legend_below
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = {
    "positional": "positions alone",
    "semantic": "tokens alone",
    "cross": "positions times tokens",
    "residual": "what is in neither part",
}
MEANING = {
    "position_position": "query's times key's position",
    "token_token": "query's times key's token",
    "key_position": "the key's position, whatever the query",
    "key_token": "the key's token, whatever the query",
    "query_only": "the query alone; a softmax does not see it",
}
SEEN = 1e-9  # share of the variance below which a matrix is rounding
MOST_BARS = 24


@probe(
    "attention-sources",
    tasks=COUNTED,
    metrics={
        **{f"{n}_share": MetricSpec(f"scores' variance due to {t}") for n, t in SHARES.items()},
        "error": MetricSpec("greatest standard error of these shares; 0 where exact", "1", 0),
        **{f"{n}_share": MetricSpec(f"due to {t}") for n, t in MEANING.items()},
        "position_identity": MetricSpec("cosine of position-position and identity", "1", -1, 1),
        "token_identity": MetricSpec("cosine of token-token and identity", "1", -1, 1),
        "m_like": MetricSpec("root of the positional variance; analogous to m", "score", 0),
        "theta_like": MetricSpec("root of the semantic variance; analogous to theta", "score", 0),
        "score_size": MetricSpec("root of the scores' variance", "score", 0),
    },
    invariances=INVARIANCES,
)
def attention_sources(context: CountContext) -> Measurement:
    """Where scores come from in every head: positions, content, or both at once."""
    split = sources(context)
    errors = [split.error(*names) for names in SOURCES.values()]
    metrics: dict[str, float | None] = {f"{n}_share": split.share(*t) for n, t in SOURCES.items()}
    metrics |= {f"{n}_share": split.share(n) for n in MEANING if n != "query_only"}
    hidden = split.softmax
    metrics["query_only_share"] = None if hidden else split.share("query_position", "query_token")
    metrics["error"] = None if None in errors else max(e for e in errors if e is not None)
    metrics |= {"m_like": split.m_like, "theta_like": split.theta_like}
    metrics["score_size"] = split.size(*TERMS)
    head, matrices = first_matrices(context, split)
    seen = {name: (split.share(f"{name}_{name}") or 0) > SEEN for name in ("position", "token")}
    for name, matrix in matrices.items():
        centred = matrix - matrix.mean(0) - matrix.mean(1, keepdim=True) + matrix.mean()
        metrics[f"{name}_identity"] = identity_cosine(centred) if seen[name] else None
    arrays = {"terms": split.terms, "head": torch.tensor(head, dtype=torch.int64)} | matrices
    return Measurement({"token_identity": None, "position_identity": None} | metrics, arrays)


attention_sources.applies(why_not_split)


def first_matrices(
    context: CountContext, split: Sources
) -> tuple[int, dict[str, Float[Tensor, "n n"]]]:
    """Position-position and token-token scores of the first block's head of most variance.

    Returns:
        The head, and the matrices by name: no positions where the model has none; a constant
        matrix has no tokens and is given less its row means.
    """
    head = int(split.terms[0].sum(-1).argmax())
    if split.first is None:
        scores = constant_scores(context)[0][head]
        return head, {"position": scores - scores.mean(-1, keepdim=True)}
    q, k = split.first
    query, key = q[:, :, head], k[:, :, head * k.shape[2] // q.shape[2]]
    scale = context.model.cfg.attn_scale
    found = {}
    placed = context.model.cfg.knows_positions
    known = (("position", 0), ("token", 1)) if placed else (("token", 1),)
    for name, axis in known:
        parts = [side.mean(axis) - side.mean((0, 1)) for side in (query, key)]
        found[name] = parts[0] @ parts[1].mT / scale
    return head, found


@attention_sources.figure
def _draw(result: ProbeResult) -> "Figure":
    matrices = {n: result.arrays[n] for n in ("position", "token") if n in result.arrays}
    shown = ("position", "token") if "token" in matrices else ("position",)
    figure, (left, *rest) = blank(1 + len(shown), width=3.7)
    terms = result.arrays["terms"]
    layers, heads = terms.shape[:2]
    # The heads with the largest scores, in the order they run.
    size = terms.sum(-1).ravel()
    chosen = np.sort(np.argsort(-size, kind="stable")[:MOST_BARS])
    total = np.where(size > 0, size, 1.0)[chosen]
    bottom = np.zeros(len(chosen))
    for name, parts in SOURCES.items():
        index = [TERMS.index(part) for part in parts]
        share = 100 * np.clip(terms[..., index].sum(-1).ravel()[chosen] / total, 0, None)
        left.bar(np.arange(len(chosen)), share, bottom=bottom, color=PARTS[name], label=name)
        bottom += share
    names = [f"{i // heads}.{i % heads}" for i in chosen]
    left.set_xticks(np.arange(len(chosen)), names, fontsize=8 if len(chosen) <= 8 else 5)
    aside = 0.6 + max(0, 3 - len(chosen)) / 2  # so that few bars stay narrow
    left.set(xlim=(-aside, len(chosen) - 1 + aside), ylim=(0, None), xlabel="block.head")
    left.set(ylabel="share of the scores' variance (%)", title="Where scores come from")
    legend_below(left, 4, -0.18)
    which = f", head {int(result.arrays['head'])}" if heads > 1 else ""
    which = f"block 0{which}" if layers * heads > 1 else ""
    # One scale for both, so that rounding beside a large matrix looks empty.
    limit = max(float(np.abs(matrix).max()) for matrix in matrices.values()) or 1.0
    for axes, name in zip(rest, shown, strict=True):
        axes.set_title(f"{name.capitalize()}-{name}" + (f" ({which})" if which else ""))
        if name not in matrices:
            axes.text(0.5, 0.5, "no positions", ha="center", va="center", fontsize=9)
            axes.set_axis_off()
            continue
        heatmap(
            axes, matrices[name], x=f"key {name}", y=f"query {name}", bar="score",
            diverging=True, vmin=-limit, vmax=limit,
        )  # fmt: skip
    return figure


@attention_sources.words
def _say(result: ProbeResult) -> str:
    if result.metrics["positional_share"].value is None:
        return "The scores are the same for every key: attention is uniform."
    listed = ", ".join(f"{100 * result.value(f'{name}_share'):.0f} % {name}" for name in SHARES)
    text = f"The scores' variance is {listed}"
    if result.value("error") > 0:
        text += f" (measured, standard error {100 * result.value('error'):.1f} points)"
    text += "."
    if (cosine := result.metrics["position_identity"].value) is not None and abs(cosine) > 0.9:
        own = "attract" if cosine > 0 else "repel"
        text += f" Positions {own} themselves (cosine with the identity {cosine:.2f})."
    if (cosine := result.metrics["token_identity"].value) is not None and abs(cosine) > 0.9:
        own = "attract" if cosine > 0 else "repel"
        text += f" Tokens {own} their own kind (cosine {cosine:.2f})."
    return text
