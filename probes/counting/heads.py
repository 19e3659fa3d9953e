"""Which head a probe of one head reads, and how its result says so."""

from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer


def main_head(
    model: "HookedTransformer",
    tokens: Int[Tensor, "batch pos"],
    answers: Float[Tensor, "batch scored classes"],
) -> tuple[int, int]:
    """Block and head whose mixing, made uniform, changes most answers; the first of equals.

    Uniform is every row's mean over keys, which under a softmax is 1/positions. Weights without a
    softmax that depend on tokens have no such reference, and a row's sum may hold the count: those
    are held at their mean over inputs.

    Args:
        model: hooked model that counts.
        tokens: sequences to compare on.
        answers: the untouched model's, at the last positions of each sequence.
    """
    mixers = model.mixers
    heads = [(layer, head) for layer, one in enumerate(mixers) for head in range(one.heads)]
    if len(heads) == 1:
        return heads[0]

    def flatten(head: int, axis: int, pattern: Tensor, hook: "HookPoint") -> Tensor:
        out = pattern.clone()
        own = pattern[:, head]
        out[:, head] = own.mean(axis, keepdim=True)
        if model.cfg.causal and axis == -1:  # of the keys that a position sees
            seen = torch.ones_like(own).tril()
            out[:, head] = own.sum(-1, keepdim=True) * seen / seen.sum(-1, keepdim=True)
        return out

    def changed(layer: int, head: int) -> float:
        mixing = mixers[layer]
        axis = -1 if mixing.softmax or mixing.constant else 0
        edit = (mixing.hooks["pattern"], partial(flatten, head, axis))
        with torch.no_grad():
            logits = model.run_with_hooks(tokens, fwd_hooks=[edit])
        moved = logits[:, -answers.shape[1] :].argmax(-1) != answers.argmax(-1)
        return float(moved.double().mean())

    return max(heads, key=lambda one: changed(*one))


def main_head_array(model: "HookedTransformer", head: tuple[int, int]) -> dict[str, Tensor]:
    """The main head (block, head) as an array of a result, where a model has several."""
    several = sum(mixing.heads for mixing in model.mixers) > 1
    return {"main_head": torch.tensor(head, dtype=torch.int64)} if several else {}


def in_main_head(result: ProbeResult) -> str:
    """How a sentence about the main head begins, where a model has several."""
    if "main_head" not in result.arrays:
        return ""
    layer, head = (int(i) for i in result.arrays["main_head"])
    return f"In head {head} of block {layer} "
