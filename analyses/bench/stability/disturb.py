"""What a user may change without changing the mechanism, one function each."""

from collections.abc import Callable
from dataclasses import replace

import torch

from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.models.families.counting.forward import forward
from mechprobe.models.families.counting.symmetries import random_symmetry
from mechprobe.probes import MechanismLabel, label

TUNED_STEPS, TUNED_BATCH, TUNED_RATE = 300, 64, 1e-4
BF16 = torch.bfloat16
FIRST = 1  # seed of the first label


def retrained(model: HookedTransformer, seed: int) -> HookedTransformer:
    """Trained on for some steps, at a small rate, on other data."""
    weights = {n: w.unsqueeze(0).clone().requires_grad_() for n, w in model.weights().items()}
    adam = torch.optim.Adam(weights.values(), lr=TUNED_RATE, betas=(0.9, 0.98), fused=True)
    task, generator = model.config.task(), torch.Generator().manual_seed(seed)
    data = task.sample(TUNED_STEPS * TUNED_BATCH, generator).split(TUNED_BATCH)
    with torch.enable_grad():
        for tokens in data:
            adam.zero_grad()
            logits = forward(model.config, weights, tokens.unsqueeze(0))[0]
            task.loss(logits, tokens).backward()
            adam.step()
    return HookedTransformer(model.config, {n: w.detach()[0] for n, w in weights.items()})


def _by_seed(model: HookedTransformer, seed: int) -> MechanismLabel:
    """Other sequences for every measurement, and another bootstrap."""
    return label(model, seed=FIRST + 1 + seed)


def _by_sampler(model: HookedTransformer, seed: int) -> MechanismLabel:
    """Sequences of independent tokens, where the model was trained on partitions."""
    task: HistogramTask = model.config.task()
    return label(model, replace(task, sampler="uniform"), seed=FIRST)


def _by_symmetry(model: HookedTransformer, seed: int) -> MechanismLabel:
    """Another basis, other neurons, other names of tokens: the same answers."""
    return label(random_symmetry(model, torch.Generator().manual_seed(seed)), seed=FIRST)


def _by_double(model: HookedTransformer, seed: int) -> MechanismLabel:
    """The same weights in float64."""
    return label(model.with_dtype(torch.float64), seed=FIRST)


def _by_half(model: HookedTransformer, seed: int) -> MechanismLabel:
    """Weights that were stored in bfloat16, run in float32."""
    return label(model.with_dtype(BF16).with_dtype(torch.float32), seed=FIRST)


def _by_retraining(model: HookedTransformer, seed: int) -> MechanismLabel:
    """Trained on for a little."""
    return label(retrained(model, seed), seed=FIRST)


# Name, how often it is tried on every model, and what it does.
DISTURBANCES: dict[str, tuple[int, Callable[[HookedTransformer, int], MechanismLabel]]] = {
    "probe seed and sequences": (3, _by_seed),
    "uniform sampler": (1, _by_sampler),
    "symmetry": (2, _by_symmetry),
    "float64": (1, _by_double),
    "stored in bfloat16": (1, _by_half),
    "300 more training steps": (2, _by_retraining),
}
