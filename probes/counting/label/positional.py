"""Is the count read from which positions attention comes, whatever tokens stand there?

Every value is replaced by the mean over tokens at its position, while attention goes where it went.
A model that reads the count from positions still answers rightly. As a control the values are
replaced by their mean over positions too: attention can then tell nothing but how much of it there
is. BOS keeps its value in both, or reading its share of the attention would pass for it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from mechprobe.probes.counting.causal.remove_shared import lost
from mechprobe.probes.counting.context import CountContext

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint


@dataclass(frozen=True)
class ByPosition:
    """Right answers with values that tell positions apart, and with values that tell nothing.

    Args:
        before: of the untouched model.
        places: values are means over tokens at each position.
        level: values are means over tokens and positions.
        chance: accuracy of the best constant answer.
    """

    before: Bool[np.ndarray, "batch scored"]
    places: Bool[np.ndarray, "batch scored"]
    level: Bool[np.ndarray, "batch scored"]
    chance: float

    def costs(self, rows: np.ndarray | slice = slice(None)) -> tuple[float, float]:
        """Shares of the accuracy above chance that are lost, with means at each position and with
        means over all."""
        before, places, level = (
            float(right[rows].mean()) for right in (self.before, self.places, self.level)
        )
        return lost(before, places, self.chance), lost(before, level, self.chance)


def by_position(context: CountContext) -> ByPosition | None:
    """Run with such values in each block, and give the block that loses least by means at each
    position beside means over all; None for models without positions, or without values."""
    names = [mixing.hooks.get("v") for mixing in context.model.mixers]
    if not context.model.cfg.knows_positions or None in names:
        return None
    task, tokens = context.task, context.tokens
    before = task.correct(context.logits, tokens).numpy()
    found = []
    for name in names:
        places, level = (
            task.correct(_answers(context, str(name), everywhere), tokens).numpy()
            for everywhere in (False, True)
        )
        found.append(ByPosition(before, places, level, task.chance(tokens)))
    return max(found, key=lambda one: float(one.places.mean() - one.level.mean()))


def _answers(context: CountContext, name: str, everywhere: bool) -> Tensor:
    def replace(value: Tensor, hook: "HookPoint") -> Tensor:
        out = value.clone()
        body = context.task.scored(out, 1)
        mean = body.mean(0, keepdim=True)
        body[:] = mean.mean(1, keepdim=True) if everywhere else mean
        return out

    with torch.no_grad():
        logits: Tensor = context.model.run_with_hooks(context.tokens, fwd_hooks=[(name, replace)])
    return logits
