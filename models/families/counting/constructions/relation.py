"""Relation-based counting: mixing compares tokens, few neurons read one count direction."""

import torch

from mechprobe.models.base.draws import draw_order, draw_uniform
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
from mechprobe.models.families.counting.constructions.registry import Sizes, construction


def _single_neuron(
    architecture: str, sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    config = CountingConfig.of(architecture, T=sizes.T, L=sizes.L, d=sizes.T, p=1)
    embedding = basis(config, generator)
    mixing = dot_mixing(embedding, relational_scores(config, generator))
    W_in = reading(embedding, shared_reading(config).unsqueeze(0))
    zero = torch.zeros(1, dtype=torch.float64)
    return config, assemble(config, embedding, mixing, W_in, zero, [Code([0], zero + 1)])


@construction("dot", "relation-based", "semantic")
def _dot(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based at d = T with one neuron (arXiv:2407.11542, prop. for dot)."""
    return _single_neuron("dot", sizes, generator)


@construction("bos", "relation-based", "semantic")
def _bos(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based at d = T with one neuron and BOS."""
    return _single_neuron("bos", sizes, generator)


@construction("bos+sftm", "relation-based", "semantic")
def _bos_softmax(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based at d = T with one neuron: BOS mass falls as the count rises."""
    return _single_neuron("bos+sftm", sizes, generator)


def _split(
    architecture: str, sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    """Spread the shared reading over 2 T neurons: half always active with random gains, half a
    thermometer whose thresholds lie between the counts' values."""
    T, L = sizes.T, sizes.L
    bos = architecture != "dot"
    config = CountingConfig.of(architecture, T=T, L=L, d=T + int(bos), p=2 * T)
    embedding = basis(config, generator)
    scores = relational_scores(config, generator)
    rho = shared_reading(config)
    s = scores[0, 0]
    count = torch.arange(1, L + 1, dtype=torch.float64)
    if config.softmax:
        value = s.exp() / (s.exp() * (1 + count) + L - count)
    else:
        value = 1 + s * count + (s if bos else 0)
    low, high = value.min().item(), value.max().item()
    thresholds = torch.cat(
        [
            low - draw_uniform((T,), generator, torch.float64) * low,
            low + draw_uniform((T,), generator, torch.float64) * (high - low) * 0.9,
        ]
    )
    scale = 0.5 + draw_uniform((2 * T,), generator, torch.float64)
    W_in = reading(embedding, scale.unsqueeze(-1) * rho)
    gain = (0.5 + draw_uniform((2 * T,), generator, torch.float64)) / (2 * T)
    codes = [Code(range(2 * T), gain)]
    mixing = dot_mixing(embedding, scores)
    return config, assemble(config, embedding, mixing, W_in, -scale * thresholds, codes)


@construction("dot-relation-split", "relation-based", "semantic")
def _dot_split(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based, read by 2 T neurons of random gain and threshold."""
    return _split("dot", sizes, generator)


@construction("bos-relation-split", "relation-based", "semantic")
def _bos_split(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based with BOS, read by 2 T neurons of random gain and threshold."""
    return _split("bos", sizes, generator)


@construction("bos+sftm-relation-split", "relation-based", "semantic")
def _bos_softmax_split(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based over the BOS mass, read by 2 T neurons of random gain and threshold."""
    return _split("bos+sftm", sizes, generator)


@construction("dot-relation-groups", "relation-based", "semantic", option="groups")
def _dot_groups(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based with several counters: each group of tokens has a direction and a neuron."""
    T, L, k = sizes.T, sizes.L, sizes.groups
    config = CountingConfig.of("dot", T=T, L=L, d=T, p=k)
    embedding = basis(config, generator)
    mixing = dot_mixing(embedding, relational_scores(config, generator))
    member = torch.arange(T)[draw_order(T, generator)] % k
    # The neuron of a group reads the mass of its tokens and is silent for the others'.
    rho = torch.stack([private_reading(config)[member == g].sum(0) for g in range(k)])
    scale = torch.tensor([uniform(0.5, 1.5, generator) for _ in range(k)], dtype=torch.float64)
    W_in = reading(embedding, scale.unsqueeze(-1) * rho)
    codes = [Code(range(k), 1 / scale)]
    return config, assemble(config, embedding, mixing, W_in, -scale, codes)
