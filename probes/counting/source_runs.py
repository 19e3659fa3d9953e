"""Queries and keys that attention sources are split from: enumerated, or on resampled sequences.

The first block's depend on a position and the token there: every token is run at every position.
Deeper ones depend on the whole sequence: sequences are drawn and put into random orders.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.context import activations
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.mixing import is_constant, lacks

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

SEQUENCES, ORDERS = 256, 4
CHUNK = 4096  # sequences run at once
SLACK = (1e-3, 1e-6)  # that scores and products may differ by: of the largest, and at least

Table = Float[Tensor, "token pos head e"]


def hook_names(model: "HookedTransformer", layer: int) -> tuple[str, str]:
    """Where a block's queries and keys stand."""
    hooks = model.mixers[layer].hooks
    return hooks["q"], hooks["k"]


def enumerated(task: HistogramTask) -> Int[Tensor, "T pos"]:
    """T sequences in which every token stands once at every position."""
    body = (torch.arange(task.T).unsqueeze(1) + torch.arange(task.L)) % task.T
    return _with_bos(task, body)


def first_block(model: "HookedTransformer", task: HistogramTask) -> tuple[Table, Table]:
    """Queries and keys of the first block for every token at every position."""
    names = hook_names(model, 0)
    found = _run(model, task, enumerated(task), names)
    token, pos = torch.arange(task.T).unsqueeze(1), torch.arange(task.L)
    q, k = (found[name][(token - pos) % task.T, pos] for name in names)
    return q, k


@dataclass(frozen=True)
class Resampled:
    """Queries, or keys, of a block on sequences in several orders.

    Args:
        by_position: as they stand.
        by_item: the same by item of the sequence, whatever the order.
    """

    by_position: Float[Tensor, "seq order pos head e"]
    by_item: Float[Tensor, "seq order item head e"]


def deeper_blocks(context: CountContext) -> Iterator[tuple[Resampled, Resampled]]:
    """Queries and keys of every block but the first, in the order they run."""
    task, layers = context.task, range(1, context.model.cfg.n_layers)
    if not layers:
        return
    contents = task.scored(context.sample("contents", SEQUENCES), 1)
    orders = ORDERS if context.model.cfg.knows_positions else 2  # without positions all are alike
    shape = (SEQUENCES, orders, task.L)
    order = context.uniform_numbers("orders", shape, token_axes=()).argsort(-1)
    body = contents.unsqueeze(1).expand(shape).gather(-1, order)
    tokens = _with_bos(task, body.flatten(0, 1))
    names = [name for layer in layers for name in hook_names(context.model, layer)]
    found = _run(context.model, task, tokens, names)
    back = order.argsort(-1).view(*shape, 1, 1)

    def both(name: str) -> Resampled:
        value = found[name].view(*shape, *found[name].shape[-2:])
        return Resampled(value, value.gather(2, back.expand(value.shape)))

    for layer in layers:
        q, k = (both(name) for name in hook_names(context.model, layer))
        yield q, k


def constant_scores(context: CountContext) -> list[Float[Tensor, "head q k"]]:
    """Scores of every block of a model whose scores are constant matrices, without BOS."""
    task, names = context.task, [one.hooks["attn_scores"] for one in context.model.mixers]
    found = activations(context.model, enumerated(task)[:1], names)
    return [task.scored(task.scored(found[name][0], 1), 2).double() for name in names]


def why_not_split(model: "HookedTransformer", task: HistogramTask) -> str | None:
    """Why scores cannot be split by queries and keys, or None where they can.

    Compared on two sequences: the scores a model uses with the products of its queries and keys.
    """
    if is_constant(model):
        return lacks(model, "scores")
    if (reason := lacks(model, "queries")) is not None:
        return reason
    used = {
        mixing.hooks["attn_scores"]: hook_names(model, layer)
        for layer, mixing in enumerate(model.mixers)
    }
    names = [name for scores, pair in used.items() for name in (scores, *pair)]
    found = activations(model, enumerated(task)[:2], names)
    for scores, (q, k) in used.items():
        keys = spread(found[k], found[q].shape[-2])
        product = torch.einsum("bqhe,bkhe->bhqk", found[q], keys) / model.cfg.attn_scale
        slack = SLACK[0] * float(product.abs().max()) + SLACK[1]
        if not math.isfinite(slack):
            return "its scores overflow; its weights are too large"
        if not torch.allclose(product, found[scores], rtol=0, atol=slack):
            return (
                "its scores are not the products of its queries and keys (rotary positions, a"
                " bias or a mask), so they do not split into positions and content"
            )
    return None


def spread(k: Float[Tensor, "*batch few e"], heads: int) -> Float[Tensor, "*batch head e"]:
    """Keys for every head of the queries, where several heads share them."""
    return k.repeat_interleave(heads // k.shape[-2], -2)


def _run(
    model: "HookedTransformer", task: HistogramTask, tokens: Tensor, names: Iterable[str]
) -> dict[str, Float[Tensor, "n pos head e"]]:
    """What stands at some hooks, BOS left out, in double precision."""
    runs = [activations(model, some, names) for some in torch.split(tokens, CHUNK)]
    return {name: torch.cat([task.scored(r[name], 1) for r in runs]).double() for name in names}


def _with_bos(task: HistogramTask, body: Int[Tensor, "n L"]) -> Int[Tensor, "n pos"]:
    return torch.cat([body.new_full((len(body), int(task.bos)), task.T), body], 1)
