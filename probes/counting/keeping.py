"""Runs with one source of attention kept: positions, content, or neither.

Through hook_q and hook_k of every head in every block, on the split of `sources.py`.
BOS keeps its query and key, the same in every sequence in the first block. In deeper ones, where it
has seen the sequence, they are at their mean over sequences unless content is kept.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.sources import Sources

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

Kept = Literal["positional", "semantic", "neither"]
KEPT: tuple[Kept, ...] = ("positional", "semantic", "neither")
Hooks = list[tuple[str, Callable[..., Tensor]]]


def answers_with(
    context: CountContext, split: Sources, kept: Kept
) -> Float[Tensor, "batch pos classes"]:
    """Answers to the context's tokens.

    Args:
        context: of the model.
        split: its sources.
        kept: positional: queries and keys at their mean over contents at that position;
            semantic: less their positional deviation; neither: at their mean over everything, so
            that attention is uniform but for BOS. Scores that are a constant matrix are
            positional; without that they are at their mean entry, apart for BOS as a key.
    """
    hooks = hooks_for(context, split, kept)
    with torch.no_grad():
        logits: Tensor = context.model.run_with_hooks(context.tokens, fwd_hooks=hooks)
    return logits


def hooks_for(context: CountContext, split: Sources, kept: Kept) -> Hooks:
    """What makes such a run; arguments as of `answers_with`."""
    return _constant(context, kept) if split.fixed else _products(context, split, kept)


def _products(context: CountContext, split: Sources, kept: Kept) -> Hooks:
    bos = int(context.task.bos)
    deeper = [name for name in split.mean if bos and not name.startswith("blocks.0.")]
    # Before the run: of the untouched model.
    there = context.activations_at(deeper) if deeper else []
    at_bos = {name: value[:, :bos].mean(0) for name, value in zip(deeper, there, strict=True)}

    def edit(value: Tensor, hook: "HookPoint") -> Tensor:
        out = value.clone()
        body = context.task.scored(out, 1)
        mean, place = (table[str(hook.name)].to(value.dtype) for table in (split.mean, split.place))
        if kept == "semantic":
            body -= place
            return out
        body[:] = mean + place if kept == "positional" else mean
        if hook.name in at_bos:
            out[:, :bos] = at_bos[hook.name]
        return out

    return [(name, edit) for name in split.mean]


def _constant(context: CountContext, kept: Kept) -> Hooks:
    if kept == "positional":
        return []
    names = [mixing.hooks["attn_scores"] for mixing in context.model.mixers]
    return [(name, partial(_level, task=context.task)) for name in names]


def _level(
    scores: Float[Tensor, "batch head q k"], hook: "HookPoint", task: HistogramTask
) -> Tensor:
    out = scores.clone()
    rows = task.scored(out, 2)
    rows[..., : int(task.bos)] = rows[..., : int(task.bos)].mean(2, keepdim=True)
    body = task.scored(rows, 3)
    body[:] = body.mean((2, 3), keepdim=True)
    return out
