"""Planted: most tokens share a counter, the others look their counts up."""

import torch

from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import Code, assemble, reading
from mechprobe.models.families.counting.constructions.designs import (
    basis,
    dot_mixing,
    private_reading,
    relational_scores,
)
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction
from mechprobe.models.tasks.causal_models import CausalModel, grouped

SHARING = 0.8  # share of the tokens with one counter


def most(sizes: Sizes) -> CausalModel:
    """The first 80 % of the tokens share a counter, each of the others has one of its own."""
    shared = round(SHARING * sizes.T)
    return grouped([0] * shared + list(range(1, sizes.T - shared + 1)))


@construction("dot-classes", "mixed", "semantic", plant=Plant(most, held_out=True))
def _classes(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """80 % of the tokens share one counter, 20 % have a look-up of their own."""
    T, L = sizes.T, sizes.L
    if T < 4:
        raise MechprobeError(f"T={T}: a fifth of the tokens is none; use a T of at least 4")
    counters = most(sizes).counters
    number = int(counters.max()) + 1
    config = CountingConfig.of("dot", T=T, L=L, d=T, p=number)
    embedding = basis(config, generator)
    mixing = dot_mixing(embedding, relational_scores(config, generator))
    private = private_reading(config)
    rho = torch.stack([private[counters == g].sum(0) for g in range(number)])
    scale = 0.5 + draw_uniform((number,), generator, torch.float64)
    W_in = reading(embedding, scale.unsqueeze(-1) * rho)
    codes = [Code(range(number), 1 / scale)]
    return config, assemble(config, embedding, mixing, W_in, -scale, codes)
