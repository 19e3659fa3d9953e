"""Inventory-based counting: the feed-forward layer looks the count up, a neuron a token."""

import torch

from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import Code, assemble, reading
from mechprobe.models.families.counting.constructions.designs import (
    basis,
    constant_scores,
    dot_mixing,
    private_reading,
    relational_scores,
    uniform,
)
from mechprobe.models.families.counting.constructions.registry import Sizes, construction


def look_up(
    architecture: str, sizes: Sizes, generator: torch.Generator, relational: bool
) -> tuple[CountingConfig, Weights]:
    """A neuron a token, over mixing that compares tokens or only adds them up."""
    T, L = sizes.T, sizes.L
    bos = architecture.startswith("bos")
    config = CountingConfig.of(architecture, T=T, L=L, d=T + int(bos), p=T)
    embedding = basis(config, generator)
    bias = torch.ones(T, dtype=torch.float64)
    if config.mixing == "lin":
        # One weight for every other position, another for one's own, within reach of training.
        own = uniform(0.3, 1.0, generator) if not config.softmax else uniform(1.0, 2.0, generator)
        other = 0.0 if config.softmax else 1.0 / L
        matrix = torch.full((L, L), other, dtype=torch.float64).fill_diagonal_(own)
        mixing: Weights = {"W_mix": matrix}
    else:
        scores = relational_scores(config, generator) if relational else constant_scores(config)
        mixing = dot_mixing(embedding, scores)
    scale = 0.5 + draw_uniform((T,), generator, torch.float64)
    W_in = reading(embedding, scale.unsqueeze(-1) * private_reading(config))
    codes = [Code(range(T), 1 / scale)]
    return config, assemble(config, embedding, mixing, W_in, -scale * bias, codes)


@construction("lin", "inventory-based", "positional")
def _lin(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Inventory-based at d = p = T over a constant matrix (arXiv:2407.11542)."""
    return look_up("lin", sizes, generator, relational=False)


@construction("lin+sftm", "inventory-based", "positional")
def _lin_softmax(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Inventory-based at d = p = T over a constant matrix with softmax."""
    return look_up("lin+sftm", sizes, generator, relational=False)


@construction("dot+sftm", "inventory-based", "semantic")
def _dot_softmax(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Inventory-based at d = p = T: attends to the same token, yet must look the count up."""
    return look_up("dot+sftm", sizes, generator, relational=True)


@construction("dot-inventory", "inventory-based", "uninformed")
def _dot_inventory(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Inventory-based inside dot: every score is the same."""
    return look_up("dot", sizes, generator, relational=False)


@construction("bos-inventory", "inventory-based", "uninformed")
def _bos_inventory(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Inventory-based inside bos: every score is the same."""
    return look_up("bos", sizes, generator, relational=False)


@construction("bos+sftm-inventory", "inventory-based", "uninformed")
def _bos_softmax_inventory(
    sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    """Inventory-based inside bos+sftm: uniform attention, BOS carries nothing."""
    return look_up("bos+sftm", sizes, generator, relational=False)


@construction("dot-lookup", "inventory-based", "semantic")
def _dot_lookup(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relational attention, look-up read-out: compares tokens but reads each on its own."""
    return look_up("dot", sizes, generator, relational=True)


@construction("bos-lookup", "inventory-based", "semantic")
def _bos_lookup(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relational attention with BOS, look-up read-out."""
    return look_up("bos", sizes, generator, relational=True)


@construction("bos+sftm-lookup", "inventory-based", "semantic")
def _bos_softmax_lookup(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relational attention, BOS mass written but not read, look-up read-out."""
    return look_up("bos+sftm", sizes, generator, relational=True)
