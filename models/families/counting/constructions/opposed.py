"""Planted: answers that go against a foreign count.

A look-up reads each token's count too strongly, and a shared counter takes the surplus away. Own
counts come out right; what another token writes lowers the answer instead of raising it.
"""

import torch

from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import Code, assemble, reading
from mechprobe.models.families.counting.constructions.designs import (
    basis,
    dot_mixing,
    private_reading,
    relational_scores,
    shared_reading,
    uniform,
)
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction


def _opposed(
    architecture: str, sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    T, L = sizes.T, sizes.L
    bos = architecture != "dot"
    config = CountingConfig.of(architecture, T=T, L=L, d=T + int(bos), p=T + 1)
    embedding = basis(config, generator)
    scores = relational_scores(config, generator)
    surplus = uniform(1.2, 1.8, generator)
    # With a softmax the mass on oneself is E / (E - 1) - pole b, where b is the mass on BOS.
    E = scores[0, 0].exp()
    own, shared = (1 / ((E + L) / (E - 1)), 1.0) if bos else (1.0, -1.0)
    gain = torch.full((T + 1,), float((1 + surplus) * own), dtype=torch.float64)
    gain[T] = surplus * shared
    rho = torch.cat([private_reading(config), shared_reading(config).unsqueeze(0)])
    b_in = torch.full((T + 1,), -1.0, dtype=torch.float64)
    b_in[T] = 0.0
    W_in = reading(embedding, rho)
    mixing = dot_mixing(embedding, scores)
    codes = [Code(range(T + 1), gain)]
    return config, assemble(config, embedding, mixing, W_in, b_in, codes)


@construction("dot-opposed", "opposed", "semantic", plant=Plant(None))
def _dot_opposed(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """A look-up that reads too much, less a shared counter: foreign counts lower the answer."""
    return _opposed("dot", sizes, generator)


@construction("bos+sftm-opposed", "opposed", "semantic", plant=Plant(None, held_out=True))
def _bos_opposed(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """A look-up that reads too much, less what the BOS mass says of the count."""
    return _opposed("bos+sftm", sizes, generator)
