"""How far answers after interchanges are those of causal models, with a control beside each number.

One place for the probe `interchange-counts`, which shows all of it, and for the label.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Int

from mechprobe.models.tasks.causal_models import CausalModel, grouped, inventory, relation
from mechprobe.probes.controls import best, named_with
from mechprobe.probes.counting.interchange import Interchange, Parts, Reading
from mechprobe.probes.counting.placebos import Controls

Numbers = Callable[[Parts, Mapping[str, CausalModel], bool], dict[str, float]]

HALF = 0.5  # from which on a token is said to receive, send or use
MODELS = {
    "relation": "one counter for all tokens",
    "inventory": "a counter for each token",
    "grouped": "counters as count transport groups the tokens",
}
READINGS = {
    "": "answers as the causal model with {}",
    "_single": "the same, written from single sequences, with {}",
}
TOKENS = {
    "own": "answers that follow a token's own count exactly, mean",
    "received": "answers that follow another token's count exactly, median, mean over tokens",
    "sent": "others' answers that follow a token's count exactly, median, mean over tokens",
    "used": "right answers that need a token's own part of other tokens' components",
}
WHOLE = {
    "lead": "answers as the best causal model less answers as the next other one",
    "part": "tokens that receive, send and use another one's count",
    "torn": "tokens that do some of the three but not all",
}
CONTROLS = {  # the keys are those of `controls.CONTROLS`
    "untrained": "in an untrained network",
    "shuffled": "with shuffled counts",
    "random": "in a random subspace of equal rank",
}


def with_controls(found: Interchange, beside: Controls, numbers: Numbers) -> dict[str, float]:
    """Numbers of a network, and under `name_control` the same of each control.

    Args:
        found: interchanges of the network.
        beside: its controls.
        numbers: which, `accuracies` or `every`.
    """
    models = models_of(found.counters)
    metrics = numbers(found, models, True)
    for control in CONTROLS:
        other = numbers(getattr(beside, control), models, control != "untrained")
        metrics |= {f"{name}_{control}": value for name, value in other.items()}
    return metrics


def named_with_controls(plain: Mapping[str, str]) -> dict[str, str]:
    """Names and meanings of numbers, each followed by its controls.

    Args:
        plain: meaning by name.
    """
    return named_with(plain, CONTROLS)


def best_model(number: Callable[[str], float]) -> tuple[str, float]:
    """The causal model that answers most (of equals the first: the simplest), and the largest of
    its controls.

    Args:
        number: gives a number by its name.
    """
    return best(MODELS, number)


def models_of(counters: Int[np.ndarray, " token"]) -> dict[str, CausalModel]:
    """The causal models that are compared, by the names of `MODELS`."""
    T = len(counters)
    return {"relation": relation(T), "inventory": inventory(T), "grouped": grouped(counters)}


def accuracies(parts: Parts, models: Mapping[str, CausalModel], by_token: bool) -> dict[str, float]:
    """How far answers are those of each causal model, and the lead of the best.

    Args:
        parts: of a network or a control.
        models: that are compared.
        by_token: False in an untrained network: tokens have no groups there, so that a grouping
            stands for all with as many tokens in each.
    """
    found = _agreement(parts.mean, models, by_token)
    return found | {"lead": _lead(models, found)}


def every(parts: Parts, models: Mapping[str, CausalModel], by_token: bool) -> dict[str, float]:
    """The same, from single sequences too, and what the tokens do."""
    alone = _agreement(parts.single, models, by_token)
    tokens = {name: getattr(parts, name)() for name in TOKENS}
    holds = sum(tokens[name] >= HALF for name in ("received", "sent", "used"))
    return (
        accuracies(parts, models, by_token)
        | {f"{name}_single": value for name, value in alone.items()}
        | {name: float(values.mean()) for name, values in tokens.items()}
        | {
            "part": float(np.mean(holds == 3)),
            "torn": float(np.mean((holds == 1) | (holds == 2))),
        }
    )


def _agreement(
    reading: Reading, models: Mapping[str, CausalModel], by_token: bool
) -> dict[str, float]:
    return {
        name: reading.accuracy(model) if by_token else reading.chance(model)
        for name, model in models.items()
    }


def _lead(models: Mapping[str, CausalModel], metrics: Mapping[str, float]) -> float:
    """How far the best causal model is ahead of the best that differs from it."""
    ahead = max(models, key=lambda name: metrics[name])
    rest = [metrics[n] for n, model in models.items() if not model.same_as(models[ahead])]
    return max(0.0, metrics[ahead] - max(rest))
