"""Where in a deeper model the count is made: an earlier block may have looked it up already."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from mechprobe.probes.counting.causal.count_by_block import shared_after, slopes_after
from mechprobe.probes.counting.causal.remove_shared import lost
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.label.evidence import PARTLY, Earlier

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint


def earlier(context: CountContext) -> Earlier | None:
    """Look at the blocks before the last one, up to the first whose count the answers follow; None
    where there are none."""
    blocks = range(context.model.cfg.n_layers - 1)
    if not blocks:
        return None
    found = []
    for block in blocks:
        slopes = slopes_after(context, block)
        own = np.diagonal(slopes).copy()
        found.append((block, own, shared_after(slopes)))
        if own.mean() >= PARTLY:
            break
    block, own, kappa = max(found, key=lambda one: float(one[1].mean()))
    task, tokens = context.task, context.tokens
    before = task.correct(context.logits, tokens).double().mean().item()
    after = without_context(context).double().mean().item()
    return Earlier(block, own, kappa, lost(before, after, task.chance(tokens)))


def without_context(context: CountContext) -> Bool[Tensor, "batch scored"]:
    """Right answers when what enters the last block is, at every position, the mean over the
    sequences with that token (at that position, in models that know positions)."""
    tokens = context.tokens
    places = torch.arange(tokens.shape[1]) if context.model.cfg.knows_positions else 0
    cell = (tokens * tokens.shape[1] + places).flatten()

    def replace(value: Tensor, hook: "HookPoint") -> Tensor:
        flat = value.flatten(0, 1)
        sums = flat.new_zeros(int(cell.max()) + 1, flat.shape[1]).index_add_(0, cell, flat)
        number = torch.bincount(cell, minlength=len(sums)).clamp(min=1).unsqueeze(1)
        return (sums / number)[cell].view_as(value)

    hooks = [(context.hook_name("resid_pre"), replace)]
    with torch.no_grad():
        logits = context.model.run_with_hooks(tokens, fwd_hooks=hooks)
    return context.task.correct(logits, tokens)
