"""What a model answers on data of other kinds than those it was trained on."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mechprobe.models import CountingConfig, HistogramTask, HookedTransformer
from mechprobe.probes.draws import generator

SEQUENCES, REPEATS = 2000, 40  # per kind of data, and per (token, count) cell
NO_ANSWER = -1e9  # logit of classes that training never had
LONGER = (-2, -1, 0, 1, 2)  # positions more than in training


@dataclass(frozen=True)
class Answers:
    """Answers on sequences of one kind.

    Args:
        accuracy: share of right ones where the count is one that training had.
        off: mean absolute error there.
        beyond: share of positions whose count is above all that training had.
        greatest: share of those answered with the greatest count of training; None where there
            are none.
    """

    accuracy: float
    off: float
    beyond: float
    greatest: float | None


def cells(model: HookedTransformer, seed: int) -> Float[Tensor, "token count"]:
    """Share of right answers for every token at every count from 1 to L - 1."""
    task: HistogramTask = model.config.task()
    drawn = task.balanced(REPEATS, generator(seed, "cells"))
    given = _answers(model, drawn.tokens.flatten(0, 2)).view(drawn.tokens.shape)
    own = given.gather(-1, drawn.position.unsqueeze(-1)).squeeze(-1)
    return (own == drawn.counts.view(-1, 1)).double().mean(-1)


def at_length(model: HookedTransformer, length: int) -> HookedTransformer:
    """The same weights on sequences of another length; only where mixing knows no positions.

    Classes that training never had get no probability.
    """
    old: CountingConfig = model.config
    classes = max(old.n_classes, length + 1)
    config = CountingConfig.checked(old.model_dump() | {"L": length, "n_classes": classes})
    new, weights = classes - old.n_classes, model.weights()
    weights["W_out"] = functional.pad(weights["W_out"], (0, new))
    weights["b_out"] = functional.pad(weights["b_out"], (0, new), value=NO_ANSWER)
    return HookedTransformer(config, weights)


def answers_at(model: HookedTransformer, length: int, seed: int) -> Answers:
    """On the usual sequences of another length."""
    longer = at_length(model, length)
    return _judged(longer, longer.config.task(), model.config.L - 1, seed)


def answers_to_uniform(model: HookedTransformer, seed: int) -> Answers:
    """On sequences of independent tokens."""
    task: HistogramTask = replace(model.config.task(), sampler="uniform")
    return _judged(model, task, model.config.L - 1, seed)


def _judged(model: HookedTransformer, task: HistogramTask, most: int, seed: int) -> Answers:
    tokens = task.sample(SEQUENCES, generator(seed, f"answers at {task.L}"))
    given, wanted = task.scored(_answers(model, tokens), -1), task.targets(tokens)
    known = wanted <= most
    gaps = (given - wanted)[known].double().abs()
    beyond = ~known
    return Answers(
        accuracy=float((gaps == 0).double().mean()),
        off=float(gaps.mean()),
        beyond=float(beyond.double().mean()),
        greatest=float((given[beyond] == most).double().mean()) if beyond.any() else None,
    )


def _answers(model: HookedTransformer, tokens: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = torch.cat([model(part) for part in torch.split(tokens, 4096)]).argmax(-1)
    return found
