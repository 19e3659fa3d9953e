"""Interchanges of mixing weights: which causal model of attention does a network carry out?

The source is the base sequence with its tokens in another order, and where a token stands more than
once, any of its places may stand for the others. What tokens give to the attention
(G) is interchanged by mixing the base with the weights of the source; what positions give (F) by
mixing it with the same weights, taken back to where the base has those tokens. All heads of all
blocks change together. A causal model (models/tasks/mixing_models.py) says with which weights the
answers have to be those. The network itself, run with them, says what these answers are; only
answers on which the causal models do not agree are counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.models.base.chunks import joined as in_pieces
from mechprobe.models.tasks.mixing_models import MIXING, Order
from mechprobe.probes import mixing_accuracy
from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.context import activations
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.mixing_variables import (
    VARIABLES,
    Weights,
    reordered,
    state_of,
    states,
)
from mechprobe.probes.mixing_accuracy import Numbers
from mechprobe.probes.untrained import OfUntrained

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

SEQUENCES = 48  # base sequences
LEAST = 0.02  # share of answers that tells causal models apart; below it nothing is told
WHAT = "answers after interchanges of what positions and tokens give to the attention, as by"
INTRO = (
    "after interchanges of what positions and what tokens give to the attention, the answers are"
    " those of"
)
RANDOM = "with weights in random order"


@dataclass(frozen=True)
class Interchanged:
    """Answers after interchanges, of a network and of causal models.

    Args:
        actual: classes that the network answers, for each of `VARIABLES`.
        predicted: those of each causal model, by its name; and of both controls of the same
            network, by "shuffled" and "random".
    """

    actual: Int[Tensor, "variable n pos"]
    predicted: dict[str, dict[str, Int[Tensor, "variable n pos"]]]

    @property
    def telling(self) -> Bool[Tensor, "variable n pos"]:
        """Where the causal models that have variables do not all say the same."""
        said = self.predicted[""]
        first, *others = (said[model.name] for model in MIXING if model.variables)
        found = torch.zeros_like(first, dtype=torch.bool)
        for other in others:
            found |= other != first
        return found

    @property
    def share(self) -> float:
        """Share of the answers that tell causal models apart."""
        return self.telling.double().mean().item()

    def accuracies(self, control: str = "") -> dict[str, float | None]:
        """Share of the telling answers that are as each causal model says; None without any."""
        telling = self.telling
        if not telling.any():
            return dict.fromkeys(self.predicted[control])
        return {
            name: (answers == self.actual)[telling].double().mean().item()
            for name, answers in self.predicted[control].items()
        }


def numbers(context: CountContext) -> Numbers:
    """Accuracies of the causal models and of their controls, by `told`; all None where too few
    answers tell them apart."""
    return beside(context, interchange(context, ("shuffled", "random")))


def beside(context: CountContext, found: Interchanged) -> Numbers:
    """The same of what was found with both controls of the same network."""
    if found.share < LEAST:
        return mixing_accuracy.nothing()
    controls: dict[str, Numbers] = {name: found.accuracies(name) for name in ("shuffled", "random")}
    controls["untrained"] = UNTRAINED(context.model, context.task, context.seed)
    return mixing_accuracy.joined(found.accuracies(), controls)


def told() -> dict[str, str]:
    """Names of all numbers, in words."""
    return mixing_accuracy.told(WHAT, RANDOM)


def sentence(found: Numbers, kind: AttentionKind) -> str:
    """What the numbers say of the kind of attention that a label names."""
    if told := mixing_accuracy.sentence(found, kind, INTRO):
        return told
    text = f"less than {LEAST:.0%} of the answers after interchanges tell the causal models apart"
    return text + (", as where attention is uninformed" if kind == "uninformed" else "")


def interchange(context: CountContext, controls: Sequence[str] = ()) -> Interchanged:
    """Interchange what positions and what tokens give to the weights.

    Args:
        context: of the model, which has mixing weights in every block.
        controls: of the same network, "shuffled" or "random" or both.
    """
    own = [weights[:SEQUENCES] for weights in context.patterns]
    # Where later positions are hidden, only the last one sees all that another order moves.
    hidden = all(bool((weights.triu(1) == 0).all()) for weights in own)
    moves = _another_order(context, "order of the source", fixed=int(hidden))
    bases = context.tokens[:SEQUENCES].gather(1, moves)
    order = Order(moves, moves.gather(1, _among_equals(context, bases, fixed=int(hidden))))
    source = _run(context, bases)
    after = states(context, own, {"F": order.back, "G": order}, hidden)
    wanted = {("actual", "F"): reordered(source, order.back), ("actual", "G"): source}
    wanted |= {("", name): weights for name, weights in after.items()}
    for control in controls:
        change = (
            _shuffled(context, hidden) if control == "shuffled" else _random(context, own, hidden)
        )
        wanted |= {(control, name): change(weights) for name, weights in after.items()}
    if hidden:
        wanted = {name: _last_rows(weights, own) for name, weights in wanted.items()}
    answers = _answers(context, list(wanted.values()))
    found = dict(zip(wanted, answers[:, :, -1:] if hidden else answers, strict=True))

    def said(control: str) -> dict[str, Tensor]:
        names = {model.name: [state_of(model, moved) for moved in VARIABLES] for model in MIXING}
        return {
            name: torch.stack([found[control, state] for state in both])
            for name, both in names.items()
        }

    return Interchanged(
        actual=torch.stack([found["actual", moved] for moved in VARIABLES]),
        predicted={control: said(control) for control in ("", *controls)},
    )


def _run(context: CountContext, tokens: Int[Tensor, "n pos"]) -> Weights:
    names = [mixing.hooks["pattern"] for mixing in context.model.mixers]
    ran = activations(context.model, tokens, names)
    return [ran[name] for name in names]


def _among_equals(
    context: CountContext, tokens: Int[Tensor, "n pos"], fixed: int
) -> Int[Tensor, "n pos"]:
    """Random orders that leave the tokens as they are.

    Args:
        context: of the model.
        tokens: the sequences.
        fixed: how many of the last positions stay.
    """
    draws = context.uniform_numbers("equal tokens", (2, *tokens.shape), token_axes=())
    if fixed:
        tokens = torch.cat(
            [tokens[:, :-fixed], -1 - torch.arange(fixed).expand(len(tokens), -1)], 1
        )
    first, second = (tokens + draws).argsort(-1)
    return torch.empty_like(tokens).scatter(1, first, second)


def _another_order(context: CountContext, purpose: str, fixed: int = 0) -> Int[Tensor, "n pos"]:
    """Random orders of the positions, BOS apart; none is the order that there is.

    Args:
        context: of the model.
        purpose: of the draw.
        fixed: how many of the last positions stay.
    """
    start, n = int(context.task.bos), min(SEQUENCES, len(context.tokens))
    found = torch.arange(context.model.cfg.n_ctx).repeat(n, 1)
    body = found[:, start : max(start, found.shape[1] - fixed)]
    order = context.uniform_numbers(purpose, tuple(body.shape), token_axes=()).argsort(-1)
    still = (order == torch.arange(order.shape[1])).all(-1, keepdim=True)
    body[:] = start + torch.where(still, order.flip(-1), order)
    return found


def _shuffled(context: CountContext, hidden: bool) -> Callable[[Weights], Weights]:
    """Positions in another order, those that read and those that are read each in their own."""
    order = Order(
        *(_another_order(context, f"shuffled {what}", int(hidden)) for what in ("queries", "keys"))
    )
    return lambda weights: reordered(weights, order)


def _random(context: CountContext, own: Weights, hidden: bool) -> Callable[[Weights], Weights]:
    """Rows in random order, but for BOS or hidden positions, and each row's weights in its own."""
    lots = [
        context.uniform_numbers(f"random weights, block {block}", tuple(weights.shape), ())
        for block, weights in enumerate(own)
    ]
    keys = [some.argsort(-1) for some in lots]
    rows = _another_order(context, "random rows", fixed=context.model.cfg.n_ctx * int(hidden))
    still = torch.arange(rows.shape[1]).expand_as(rows)
    moved = Order(rows, still)
    return lambda weights: [
        w.gather(-1, at) for w, at in zip(reordered(weights, moved), keys, strict=True)
    ]


def _last_rows(weights: Weights, own: Weights) -> Weights:
    """The weights of the last position; those of others are the base's."""
    found = [some.clone() for some in own]
    for to, some in zip(found, weights, strict=True):
        to[:, :, -1] = some[:, :, -1]
    return found


def _answers(context: CountContext, wanted: list[Weights]) -> Int[Tensor, "set n pos"]:
    """Classes answered to the base sequences with given mixing weights."""
    tokens, names = context.tokens[:SEQUENCES], context.hook_names("pattern")
    every = [torch.cat(blocks) for blocks in zip(*wanted, strict=True)]
    bases = tokens.repeat(len(wanted), 1)

    def fill(value: Tensor, hook: "HookPoint", weights: Tensor) -> Tensor:
        return weights.to(value.dtype)

    def run(piece: slice) -> Tensor:
        hooks = [
            (name, partial(fill, weights=weights[piece]))
            for name, weights in zip(names, every, strict=True)
        ]
        with torch.no_grad():
            logits: Tensor = context.model.run_with_hooks(bases[piece], fwd_hooks=hooks)
        return context.task.scored(logits, 1).argmax(-1)

    found = in_pieces(len(bases), context.run_bytes, run)
    return found.view(len(wanted), len(tokens), -1)


def _of_untrained(model: "HookedTransformer", task: HistogramTask, seed: int) -> Numbers:
    return interchange(CountContext(model, task, seed)).accuracies()


UNTRAINED = OfUntrained(_of_untrained)
