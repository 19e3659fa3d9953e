"""Planted: the count is read from which positions attention comes.

Attention goes evenly to the positions that hold the same token, and brings their positional
vectors: 1/c of each of c. Which they are is arbitrary, so their mean over sequences says nothing of
the count; how thinly attention is spread does (what free models of arXiv:2402.03902, section 3,
have at their disposal).
"""

import torch

from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.constructions.assemble import orthonormal
from mechprobe.models.families.counting.constructions.designs import uniform
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.constructions.layout import (
    SHARP,
    attend,
    blank,
    decoded,
    slots,
    turned,
)
from mechprobe.models.tasks.causal_models import relation

Made = tuple[TransformerConfig, Weights]


@construction("positions", "positional", "semantic", plant=Plant(lambda sizes: relation(sizes.T)))
def _positions(sizes: Sizes, generator: torch.Generator) -> Made:
    """Each position's neuron asks whether attention comes from there; together they tell 1/c."""
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, position=L)
    config = TransformerConfig.checked(
        {"T": T, "L": L, "d": d, "p": L, "positions": True, "d_head": d}
    )
    w = blank(config)
    w["W_E"][:, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_pos"][:, at["position"]] = torch.eye(L, dtype=torch.float64)
    same = torch.zeros(d, d, dtype=torch.float64)
    same[at["token"], at["token"]] = SHARP * torch.eye(T, dtype=torch.float64)
    attend(w, 0, 0, same, d)
    # Neuron j: relu(1/c - threshold) where attention comes from j; their sum falls with c.
    threshold = uniform(0.3, 0.8, generator) / L
    w["blocks.0.W_in"][at["position"]] = torch.eye(L, dtype=torch.float64)
    w["blocks.0.b_in"] -= threshold
    gain = torch.ones(L, dtype=torch.float64)
    return config, turned(config, decoded(config, w, gain, generator), generator)


@construction(
    "positions-norm",
    "positional",
    "semantic",
    plant=Plant(lambda sizes: relation(sizes.T), held_out=True),
)
def _normed(sizes: Sizes, generator: torch.Generator) -> Made:
    """The same where LayerNorm tells how thinly attention is spread, and one neuron reads it."""
    T, L = sizes.T, sizes.L
    d = T + L + 1
    config = TransformerConfig.positional_semantic(T=T, L=L, d=d, p=2)
    w = blank(config)
    # Positions, orthonormal and without a mean, so that LayerNorm only divides by their size.
    plain = torch.cat(
        [torch.ones((1, d), dtype=torch.float64), draw_normal((d - 1, d), generator).double()]
    )
    basis = torch.linalg.qr(plain.T)[0].T[1:]
    turn = orthonormal(d - 1, d - 1, generator) @ basis
    w["W_E"], w["W_pos"] = turn[:T].clone(), turn[T : T + L].clone()
    attend(w, 0, 0, SHARP * turn[:T].T @ turn[:T], d)
    w["blocks.0.W_V"][0] = turn[T : T + L].T @ turn[T : T + L]
    w["blocks.0.ln2.w"] += 1.0
    # Behind it c positions stand with 1/sqrt(c) each, in a fixed unit: their sum is sqrt(c).
    w["blocks.0.W_in"][:, 0] = turn[T : T + L].sum(0) * uniform(0.5, 1.5, generator)
    gain = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return config, decoded(config, w, gain, generator)
