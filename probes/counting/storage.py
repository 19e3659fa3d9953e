"""Interchanges of counts at every block: after which one does a deep network keep the count?

In a sequence whose target token t occurs c times, the count component of token s after the
attention of a block, M_s(c') - M_s(c) of its hook_resid_mid, is written at hook_attn_out of that
block, and the rest of the network runs. A causal model (models/tasks/storage_models.py) says what
has to come out: c' where that block holds the count and t and s share a counter there, else c.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.models.base.chunks import joined
from mechprobe.models.tasks.storage_models import StorageModel, storage_models
from mechprobe.probes.controls import CONTROLS, best, largest_control, named_with
from mechprobe.probes.counting.causal.count_by_block import resid_after
from mechprobe.probes.counting.causal_accuracy import CONTROLS as BESIDE
from mechprobe.probes.counting.cells import CountCells
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.placebos import BASES, dealt_anew, random_means
from mechprobe.probes.counting.written_counts import Means, goals, means_of
from mechprobe.probes.untrained import OfUntrained

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

FOREIGN = 2  # other tokens whose count every target is given
MODELS = {
    "first_relation": "one counter for all tokens from the first block on",
    "first_inventory": "a counter for each token from the first block on",
    "later_relation": "one counter for all tokens, stored by a later block",
    "later_inventory": "a counter for each token, stored by a later block",
    "made_common": "a counter for each token, made common by the last block",
}
LEAST_TOLD = 0.01  # leads below it are none


@dataclass(frozen=True)
class Reading:
    """What answers became of interchanges at every block, of sources of which the first is t.

    Args:
        follows: the answer is the source's count c'.
        keeps: it is the count c of the target in its own sequence.
    """

    follows: Bool[np.ndarray, "block target source count rep"]
    keeps: Bool[np.ndarray, "block target source count rep"]

    def accuracy(self, model: StorageModel) -> float:
        """Interchange accuracy of a causal model: in each block half of it is a token's own count,
        half other tokens' counts; the mean over blocks."""
        found = []
        for block, counters in enumerate(model.stored):
            # In all models that are compared either every token shares a counter, or none.
            others = counters is not None and counters.number == 1
            own = self.keeps[block] if counters is None else self.follows[block]
            other = self.follows[block] if others else self.keeps[block]
            found.append((own[:, 0].mean() + other[:, 1:].mean()) / 2)
        return float(np.mean(found))


def told() -> dict[str, str]:
    """Names of all numbers, in words."""
    plain = {name: f"answers as the causal model with {text}" for name, text in MODELS.items()}
    return named_with(plain, BESIDE)


def numbers(context: CountContext) -> dict[str, float]:
    """Accuracies of the causal models and of their controls, by `told`."""
    readings = {
        "": read(context, means_of),
        "shuffled": read(context, partial(_shuffled, context)),
        "random": read(context, partial(_random, context)),
        "untrained": UNTRAINED(context.model, context.task, context.seed),
    }
    chosen: dict[str, StorageModel] = {}
    for model in storage_models(context.task.T, context.model.cfg.n_layers):
        # Of several later blocks the one that answers most stands for them.
        rival = chosen.get(model.name)
        if rival is None or readings[""].accuracy(model) > readings[""].accuracy(rival):
            chosen[model.name] = model
    return {
        name + (f"_{control}" if control else ""): readings[control].accuracy(chosen[name])
        for name in MODELS
        for control in ("", *CONTROLS)
    }


def sentence(found: Mapping[str, float]) -> str:
    """Accuracy of the best causal model and of the next, each with its largest control."""
    first, above = best(MODELS, found.__getitem__)
    second, next_above = best([name for name in MODELS if name != first], found.__getitem__)
    text = (
        f"after interchanges of counts at every block {found[first]:.0%} of the answers are those"
        f" of the causal model with {MODELS[first]} (controls: at most {above:.0%}), and"
        f" {found[second]:.0%} those of the next, {MODELS[second]} (controls: at most"
        f" {next_above:.0%})"
    )
    if found[first] < found[second] + LEAST_TOLD:
        text += "; they are not told apart"
    if found[first] <= largest_control(first, found.__getitem__):
        text += "; that is no more than a control has"
    return text


def read(context: CountContext, means: Callable[[CountCells], Means]) -> Reading:
    """Interchange counts at every block.

    Args:
        context: of the model.
        means: gives, of the reference sequences with what a block holds, the count means.
    """
    model, held = context.model, context.held_out
    tokens, at = held.data.tokens[:, :, :BASES], held.data.position[:, :, :BASES]
    T, C, R = at.shape
    index, count = goals(C, R), held.data.counts.view(C, 1)
    goal = held.data.counts[index]
    sources = _sources(context)
    flat = tokens.flatten(0, 2).repeat(sources.shape[1], 1)
    place = at.flatten().repeat(sources.shape[1])
    follows, keeps = [], []
    for block in range(model.cfg.n_layers):
        given = means(replace(context.reference, resid=resid_after(context, block)))
        edit = torch.stack([_components(given(t), sources[t], index) for t in range(T)], 1)
        answer = _answers(context, block, flat, place, edit.flatten(0, 3))
        answer = answer.view(sources.shape[1], T, C, R).transpose(0, 1)
        follows.append(answer == goal)
        keeps.append(answer == count)
    return Reading(torch.stack(follows).numpy(), torch.stack(keeps).numpy())


def _components(
    means: Float[Tensor, "token count d"],
    sources: Int[Tensor, " source"],
    index: Int[Tensor, "count rep"],
) -> Float[Tensor, "source count rep d"]:
    """M_s(c') - M_s(c) for every source, count and base."""
    own = means[sources]
    return own[:, index] - own.unsqueeze(2)


def _sources(context: CountContext) -> Int[Tensor, "target source"]:
    """The target itself and others at random."""
    T = context.task.T
    lots = context.uniform_numbers("sources of storage", (T, T), token_axes=(0, 1))
    lots.fill_diagonal_(-1.0)
    found: Tensor = lots.argsort(-1)[:, : min(T, 1 + FOREIGN)]
    return found


def _answers(
    context: CountContext,
    block: int,
    tokens: Int[Tensor, "n pos"],
    at: Int[Tensor, " n"],
    edit: Float[Tensor, "n d"],
) -> Int[Tensor, " n"]:
    """Classes answered at the marked positions with something added to a block's attention."""
    name = context.hook_name("attn_out", block)

    def run(piece: slice) -> Tensor:
        row, here = torch.arange(len(at[piece])), at[piece]

        def write(value: Tensor, hook: "HookPoint") -> Tensor:
            out = value.clone()
            out[row, here] += edit[piece].to(value.dtype)
            return out

        with torch.no_grad():
            logits = context.model.run_with_hooks(tokens[piece], fwd_hooks=[(name, write)])
        answered: Tensor = logits[row, here].argmax(-1)
        return answered

    return joined(len(at), context.run_bytes, run)


def _shuffled(context: CountContext, cells: CountCells) -> Means:
    return means_of(dealt_anew(context, cells, "shuffled storage"))


def _random(context: CountContext, cells: CountCells) -> Means:
    return random_means(context, cells)


def _of_untrained(model: "HookedTransformer", task: HistogramTask, seed: int) -> Reading:
    return read(CountContext(model, task, seed), means_of)


UNTRAINED = OfUntrained(_of_untrained)
