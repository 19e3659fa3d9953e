"""Relation-based counting in few dimensions: a small softmax temperature hides the overlaps."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import (
    Code,
    assemble,
    orthonormal,
    reading,
)
from mechprobe.models.families.counting.constructions.designs import dot_mixing
from mechprobe.models.families.counting.constructions.registry import Sizes, construction


def _anchored(
    codes: Float[Tensor, "T k"], kappa: float, sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    """Unit codes, a constant coordinate and a BOS axis; scores kappa (<code_s, code_t> - 1), and
    0 to BOS, so that the BOS mass is 1 / (1 + c) up to e^(-kappa (1 - overlap))."""
    T, L = sizes.T, sizes.L
    k = codes.shape[1]
    config = CountingConfig.of("bos+sftm", T=T, L=L, d=k + 2, p=1)
    overlap = (codes @ codes.T - 2 * torch.eye(T, dtype=torch.float64)).max().item()
    if kappa * (1 - overlap) < math.log(100 * L * L):
        raise MechprobeError(
            f"T={T}, L={L}: codes in {k} dimensions overlap too much at kappa {kappa:g};"
            " use a smaller T or the construction bos+sftm"
        )
    plain = torch.zeros(T + 1, config.d, dtype=torch.float64)
    plain[:T, :k] = codes
    plain[:T, k] = 1.0
    plain[T, k + 1] = 1.0
    form = torch.zeros(config.d, config.d, dtype=torch.float64)
    form[:k, :k] = kappa * torch.eye(k, dtype=torch.float64)
    form[k, k] = -kappa
    turn = orthonormal(config.d, config.d, generator)
    embedding = plain @ turn
    mixing = dot_mixing(embedding, plain @ form @ plain.T)
    axis = torch.zeros(1, config.n_vocab, dtype=torch.float64)
    axis[0, T] = 1.0
    W_in = reading(embedding, axis)
    zero = torch.zeros(1, dtype=torch.float64)
    return config, assemble(config, embedding, mixing, W_in, zero, [Code([0], zero + 1)])


@construction("bos+sftm-binary", "relation-based", "semantic")
def _binary(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based at d = ceil(log2(T+1)) + 2: binary codes and a BOS axis (kappa 200)."""
    bits = math.ceil(math.log2(sizes.T + 1))
    number = torch.arange(1, sizes.T + 1).unsqueeze(-1)
    digits = (number >> torch.arange(bits)) & 1
    return _anchored((2.0 * digits.double() - 1) / bits**0.5, 200.0, sizes, generator)


@construction("bos+sftm-circle", "relation-based", "semantic")
def _circle(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Relation-based at d = 4: points on a quarter circle (kappa 3e4)."""
    angle = torch.linspace(0, math.pi / 2, sizes.T, dtype=torch.float64)
    codes = torch.stack([angle.cos(), angle.sin()], dim=-1)
    return _anchored(codes, 3e4, sizes, generator)
