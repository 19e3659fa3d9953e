"""Which tokens share a counter, block by block: a count is written after each attention."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.models.base.chunks import joined
from mechprobe.probes.counting.context import CountContext, needs_counts
from mechprobe.probes.counting.label.rule import PRIVATE, SHARED
from mechprobe.probes.counting.sharing import Sharing
from mechprobe.probes.counting.transport import DOSES, admissible, cluster, differences
from mechprobe.probes.drawing import BLUE, GREY, ORANGE, blank
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

FEW = 2  # sequences of each (token, count) cell that the rest of the model is run on


@probe(
    "count-by-block",
    kind="causal",
    metrics={
        "first_own": MetricSpec("answer's slope on a token's own count, first block", "1"),
        "first_kappa": MetricSpec("other tokens' slope over the own, mean, first block", "1"),
        "last_own": MetricSpec("answer's slope on a token's own count, last block", "1"),
        "last_kappa": MetricSpec("other tokens' slope over the own, mean, last block", "1"),
    },
    parameters=lambda: {"doses": list(DOSES), "sequences": FEW},
    invariances=INVARIANCES,
)
def count_by_block(context: CountContext) -> Measurement:
    """Which tokens share a counter after each block's attention?"""
    blocks = range(context.model.cfg.n_layers)
    slopes = [slopes_after(context, block) for block in blocks]
    own = np.array([np.diagonal(X) for X in slopes])
    each = np.array([shared_after(X) for X in slopes])
    other = np.array([(X.sum(1) - np.diagonal(X)) / max(1, len(X) - 1) for X in slopes])
    heard = ~np.isnan(each)
    total = np.where(heard, each, 0).sum(-1)
    kappa = np.where(heard.any(-1), total / heard.sum(-1).clip(1), np.nan)
    metrics = {}
    for place, block in (("first", 0), ("last", -1)):
        metrics[f"{place}_own"] = own[block].mean()
        metrics[f"{place}_kappa"] = None if np.isnan(kappa[block]) else kappa[block]
    arrays = {"own": own, "other": other, "shared": each, "kappa": kappa}
    return Measurement(metrics=metrics, arrays=arrays)


def slopes_after(context: CountContext, block: int) -> Float[np.ndarray, "target source"]:
    """Slope of every token's answer on the count component of every token that is written after a
    block's attention: count transport there, with the rest of the model run on."""
    held, name = context.held_out, context.hook_name("attn_out", block)
    reference = replace(context.reference, resid=resid_after(context, block))
    T, C = held.predicted.shape[:2]
    tokens, position = (v[:, :, :FEW] for v in (held.data.tokens, held.data.position))
    predicted, valid = held.predicted[:, :, :FEW], admissible(C)
    R = predicted.shape[2]
    flat, at = tokens.flatten(0, 2), position.flatten()

    def answers(edit: Tensor, piece: slice) -> Tensor:
        row, here = torch.arange(len(at[piece])), at[piece]

        def write(value: Tensor, hook: "HookPoint") -> Tensor:
            out = value.clone()
            out[row, here] += edit[piece]
            return out

        with torch.no_grad():
            logits = context.model.run_with_hooks(flat[piece], fwd_hooks=[(name, write)])
        answered: Tensor = logits[row, here].argmax(-1)
        return answered

    pieces = reference.target_pieces(len(DOSES))
    # [target, source, count, dose, d]
    delta = torch.cat([differences(reference.means_of(piece))[0] for piece in pieces])
    moved = np.zeros((T, T))
    for source in range(T):
        for i, dose in enumerate(DOSES):
            edit = (delta[:, source, :, i] * valid[:, i, None]).unsqueeze(2).expand(T, C, R, -1)
            answered = joined(len(at), context.run_bytes, partial(answers, edit.flatten(0, 2)))
            shift = answered.view(T, C, R) - predicted
            moved[:, source] += dose * (shift * valid[:, i, None]).sum((1, 2)).double().numpy()
    weight = R * (valid * torch.tensor(DOSES, dtype=torch.int64).square()).sum().item()
    found: Float[np.ndarray, "target source"] = moved / weight
    return found


def shared_after(X: Float[np.ndarray, "target source"]) -> Float[np.ndarray, " token"]:
    """How far every token takes part in others' counts, by the slopes after one block; NaN where it
    does not follow its own. Tokens are grouped by these slopes, for a later block may make common
    what was counted apart."""
    return Sharing.of(X, cluster(X)).kappa()


def resid_after(context: CountContext, block: int) -> Float[Tensor, "token count rep d"]:
    """hook_resid_mid of a block at the marked positions of the reference sequences."""
    data, name = context.reference.data, context.hook_name("resid_mid", block)
    marked = context.marked(data.tokens.flatten(0, 2), data.position.flatten(), [name])[name]
    return marked.view(*data.position.shape, -1)


@count_by_block.applies
def _why_not(model: "HookedTransformer", task: HistogramTask) -> str | None:
    if model.cfg.n_layers == 1:
        return "the model has one block; use count-transport"
    return needs_counts(model, task)


@count_by_block.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (axes,) = blank()
    blocks = np.arange(len(result.arrays["own"]))
    for name, colour, marker in (("own", BLUE, "o"), ("other", ORANGE, "s")):
        values = np.asarray(result.arrays[name], float)
        jitter = np.linspace(-0.15, 0.15, values.shape[1])
        x = np.repeat(blocks, values.shape[1]) + np.tile(jitter, len(blocks))
        axes.plot(x, values.ravel(), marker, ms=3, alpha=0.5, color=colour, lw=0)
        axes.plot(
            blocks, values.mean(1), marker=marker, color=colour,
            label=f"{name} count{'s' * (name == 'other')} of tokens",
        )  # fmt: skip
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(
        xlabel="block after whose attention it is written", ylabel="slope of the answer",
        xticks=blocks, title="Whose count moves the answer",
    )  # fmt: skip
    axes.legend(fontsize=7)
    return figure


@count_by_block.words
def _say(result: ProbeResult) -> str:
    first, last = (result.metrics[f"{place}_kappa"].value for place in ("first", "last"))
    if first is None or last is None:
        where = "first" if first is None else "last"
        return f"The answer does not follow a count written after the {where} block's attention."
    said = (
        f"After the first block's attention another token's count moves the answer {first:z.2f}"
        f" times as far as the token's own, after the last one's {last:z.2f} times."
    )
    if abs(first) <= PRIVATE and last >= SHARED:
        said += " In between each token's count is looked up and made common."
    return said
