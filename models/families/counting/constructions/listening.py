"""Planted: tokens that would follow what others write, yet count for themselves.

Whether a token would follow a foreign count says nothing on whether anybody's count reaches it in
the model's own runs. In both models a neuron is open to all tokens, and most need it for nothing.
"""

import math

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
from mechprobe.models.tasks.causal_models import CausalModel, grouped, inventory

LOUD = 20.0  # what the loud token writes, in units of what a listener needs for one count
LOUDER = 2.5  # the same of tokens that count through BOS


def half(sizes: Sizes) -> CausalModel:
    """The first half of the tokens shares a counter, each of the others has one of its own."""
    shared = sizes.T // 2
    return grouped([0] * shared + list(range(1, sizes.T - shared + 1)))


@construction("bos+sftm-listeners", "mixed", "semantic", plant=Plant(half))
def _listeners(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Half the tokens count through BOS; the rest look up, though they would follow BOS too."""
    T, L = sizes.T, sizes.L
    shared = T // 2
    config = CountingConfig.of("bos+sftm", T=T, L=L, d=T + 1, p=1 + 2 * (T - shared))
    embedding = basis(config, generator)
    s = uniform(2.0, 3.5, generator)
    E, rest = math.exp(s), math.exp(-4.0)  # weights of oneself, and of BOS for the second half
    # A token of the first half, seen c times, has the mass b = E / (E + E c + L - c) on BOS: a
    # multiple of 1 / (c + pole). The second half's own score makes its mass m on itself one minus
    # a multiple of just that, so that both give the same code.
    pole = (E + L) / (E - 1)
    own = 1 + (L + rest) / pole
    scores = torch.zeros(T + 1, T + 1, dtype=torch.float64)
    scores.diagonal()[:shared] = s
    scores.diagonal()[shared:T] = math.log(own)
    scores[:shared, T] = s
    scores[shared:T, T] = math.log(rest)
    ceiling = own / (own - 1)  # m = ceiling (1 - pole / (c + pole))
    # The code less what the little mass on BOS gives, in units of 1 / (c + pole).
    needed = E / (E - 1) - LOUDER * rest / (own - 1)
    least = ceiling / (1 + pole)  # m at a count of one
    step = uniform(0.3, 0.9, generator) * least
    # Two neurons a token: their difference is `step` wherever it is the token at hand, which gives
    # the constant, and the first of them falls with the count.
    rho = torch.cat([shared_reading(config).unsqueeze(0), private_reading(config)[shared:]])
    rho = torch.cat([rho, private_reading(config)[shared:]])
    b_in = torch.cat(
        [
            torch.ones(1, dtype=torch.float64),  # so that it is open to a mass below none
            torch.full((T - shared,), -1.0, dtype=torch.float64),
            torch.full((T - shared,), -1.0 - step, dtype=torch.float64),
        ]
    )
    constant = (needed / pole + 1 - LOUDER) / step
    gain = torch.ones(config.p, dtype=torch.float64)
    gain[1 : 1 + T - shared] = constant - needed / (pole * ceiling)
    gain[1 + T - shared :] = -constant
    W_in = reading(embedding, rho)
    codes = [Code(range(config.p), gain)]
    weights = assemble(config, embedding, dot_mixing(embedding, scores), W_in, b_in, codes)
    # Where BOS alone speaks, all logits may be LOUDER times as large and nothing changes; the
    # second half's constant takes the surplus of the intercepts away again.
    W_out, b_out = weights["W_out"], weights["b_out"]
    W_out[0] *= LOUDER
    surplus = (LOUDER - 1) * b_out / step
    W_out[1 : 1 + T - shared] -= surplus
    W_out[1 + T - shared :] += surplus
    return config, weights | {"W_out": W_out, "b_out": LOUDER * b_out}


@construction(
    "dot-loud",
    "inventory-based",
    "semantic",
    plant=Plant(lambda sizes: inventory(sizes.T), held_out=True),
)
def _loud(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Look-up, and a neuron open to all in which one token writes 20 counts for each of its own."""
    T, L = sizes.T, sizes.L
    config = CountingConfig.of("dot", T=T, L=L, d=T, p=T + 2)
    embedding = basis(config, generator)
    scores = relational_scores(config, generator)
    s = float(scores[0, 0])
    step = uniform(0.3, 0.9, generator) * s
    # Neuron 0 reads the last token's mass 1 + s c, LOUD times. That token's own neurons take all
    # but one count of it away again, and the constant LOUD.
    private = private_reading(config)
    rho = torch.cat([LOUD * private[-1:], private, private[-1:]])
    b_in = torch.full((config.p,), -1.0, dtype=torch.float64)
    b_in[0], b_in[-1] = LOUD, -1.0 - step  # open, so that it may fall as well
    gain = torch.ones(config.p, dtype=torch.float64)
    gain[-2] -= LOUD + LOUD / step
    gain[-1] = LOUD / step
    W_in = reading(embedding, rho)
    mixing = dot_mixing(embedding, scores)
    return config, assemble(config, embedding, mixing, W_in, b_in, [Code(range(config.p), gain)])
