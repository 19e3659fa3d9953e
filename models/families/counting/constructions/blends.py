"""Blends: alpha of the logits relation-based, 1 - alpha inventory-based, over one attention."""

import torch

from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import Code, assemble, reading
from mechprobe.models.families.counting.constructions.designs import (
    basis,
    dot_mixing,
    private_reading,
    relational_scores,
    shared_reading,
)
from mechprobe.models.families.counting.constructions.registry import Sizes, construction


def _blend(
    architecture: str, sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    T, L = sizes.T, sizes.L
    bos = architecture != "dot"
    config = CountingConfig.of(architecture, T=T, L=L, d=T + int(bos), p=T + 1)
    embedding = basis(config, generator)
    mixing = dot_mixing(embedding, relational_scores(config, generator))
    rho = torch.cat([private_reading(config), shared_reading(config).unsqueeze(0)])
    scale = 0.5 + draw_uniform((T,), generator, torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    W_in = reading(embedding, torch.cat([scale, one]).unsqueeze(-1) * rho)
    b_in = torch.cat([-scale, 0 * one])
    codes = [
        Code(range(T), 1 / scale, share=1 - sizes.alpha),
        Code([T], one, share=sizes.alpha),
    ]
    return config, assemble(config, embedding, mixing, W_in, b_in, codes)


@construction("dot-blend", "mixed", "semantic", option="alpha")
def _dot_blend(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Blend of one shared counter and a look-up, inside dot."""
    return _blend("dot", sizes, generator)


@construction("bos-blend", "mixed", "semantic", option="alpha")
def _bos_blend(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Blend of one shared counter and a look-up, inside bos."""
    return _blend("bos", sizes, generator)


@construction("bos+sftm-blend", "mixed", "semantic", option="alpha")
def _bos_softmax_blend(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Blend of reading the BOS mass and a look-up, inside bos+sftm."""
    return _blend("bos+sftm", sizes, generator)
