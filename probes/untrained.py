"""The network before training, with which numbers of a trained one are compared."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mechprobe.models.base.draws import draw_order
from mechprobe.models.base.weights import Weights
from mechprobe.probes import draws

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer
    from mechprobe.models.hooked.family import Family

UNTRAINED = "untrained network"  # purpose of its draws
KEPT = 16  # untrained networks whose numbers are kept: those of a sweep have one shape often
Found = TypeVar("Found")


class OfUntrained(Generic[Found]):
    """A measurement of the network that a model was before training: one of the same configuration.

    Where a family does not say how its models start, the model with the numbers within each of its
    weights in random order stands for it. Other results are kept, for a sweep has many models of
    one configuration.

    Args:
        measure: what is measured, of a model, its task and the seed of all draws.
    """

    def __init__(self, measure: Callable[["HookedTransformer", Any, int], Found]) -> None:
        def fresh(family: "Family", config: str, task: Any, seed: int) -> Found:
            made = family.config(json.loads(config), "configuration")
            weights = family.initial(made, draws.generator(seed, UNTRAINED))
            return measure(family.assemble(made, weights), task, seed)

        self._measure = measure
        self._kept = lru_cache(KEPT)(fresh)

    def __call__(self, model: "HookedTransformer", task: Any, seed: int) -> Found:
        """Measure, or remember.

        Args:
            model: the trained one.
            task: what it is asked, which has to be hashable.
            seed: of the untrained network, and of every other draw.
        """
        from mechprobe.models.hooked.family import Family

        family = model.family
        if type(family).initial is Family.initial:
            return self._measure(scrambled(model, seed), task, seed)
        return self._kept(family, model.config.model_dump_json(), task, seed)

    def forget(self) -> None:
        """Measure anew from now on."""
        self._kept.cache_clear()


def scrambled(model: "HookedTransformer", seed: int) -> "HookedTransformer":
    """The model with the numbers within each of its weights in random order."""
    generator = draws.generator(seed, UNTRAINED)
    weights: Weights = {}
    for name, weight in model.weights().items():
        order = draw_order(weight.numel(), generator)
        weights[name] = weight.flatten()[order].view(weight.shape)
    return model.rebuilt(weights)
