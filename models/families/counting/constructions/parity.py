"""Planted: the count in two variables, c = 2 q + r.

Neurons of one group compute q, those of the other r; every class adds up a line for its q and one
for its r. Where both are read off one direction, any token's count may stand there. Where r is
looked up, a foreign count changes q alone: what comes out is neither count.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import envelope, reading
from mechprobe.models.families.counting.constructions.designs import (
    basis,
    dot_mixing,
    private_reading,
    relational_scores,
    shared_reading,
    uniform,
)
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction
from mechprobe.models.tasks.causal_models import relation


def ramps(
    at: Float[Tensor, " step"], width: Float[Tensor, " step"]
) -> tuple[Float[Tensor, " neuron"], Float[Tensor, " neuron"]]:
    """Thresholds and gains of neurons that add up to a staircase: one more beyond each ramp."""
    return torch.cat([at, at + width]), torch.cat([1 / width, -1 / width])


def interpolation(
    x: Float[Tensor, " point"], y: Float[Tensor, " point"]
) -> tuple[Float[Tensor, " neuron"], Float[Tensor, " neuron"]]:
    """Thresholds and gains of neurons that add up to a function: zero up to the first point, and
    on straight lines through the others."""
    slope = y.diff() / x.diff()
    return x[:-1], torch.cat([slope[:1], slope.diff()])


def two_parts(
    L: int, q_gain: Float[Tensor, " neuron"], r_gain: Float[Tensor, " neuron"]
) -> tuple[Float[Tensor, "neuron classes"], Float[Tensor, " classes"]]:
    """W_out and b_out whose class k wins where q_gain reads k // 2 and r_gain reads k % 2."""
    q, r = torch.arange(L + 1) // 2, torch.arange(L + 1) % 2
    W_out = torch.zeros(len(q_gain), L + 1, dtype=torch.float64)
    b_out = torch.zeros(L + 1, dtype=torch.float64)
    for part, gain in ((q, q_gain), (r, r_gain)):
        values = torch.arange(int(part.max()) + 1, dtype=torch.float64)
        slope, intercept = envelope(values, values)
        W_out += gain.unsqueeze(-1) * slope[part]
        b_out += intercept[part]
    return W_out, b_out


@construction(
    "dot-parity",
    "relation-based",
    "semantic",
    plant=Plant(lambda sizes: relation(sizes.T), also=("other",)),
)
def _shared(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """One shared direction, read as c = 2 q + r: by neurons for q and neurons for the parity r."""
    T, L = sizes.T, sizes.L
    pairs = L // 2
    config = CountingConfig.of("dot", T=T, L=L, d=T, p=4 * pairs + 1)
    embedding = basis(config, generator)
    scores = relational_scores(config, generator)
    s = scores[0, 0]
    # The code is 1 + s c; ramps lie between 2 j - 1 and 2 j.
    low, high = uniform(0.1, 0.3, generator), uniform(0.7, 0.9, generator)
    before = 2 * torch.arange(1, pairs + 1, dtype=torch.float64) - 1
    at, gain = ramps(
        1 + s * (before + low), s * (high - low) * torch.ones(pairs, dtype=torch.float64)
    )
    count = torch.ones(1, dtype=torch.float64)
    b_in = torch.cat([-at, -count, -at])
    q_gain = torch.cat([gain, torch.zeros(2 * pairs + 1, dtype=torch.float64)])
    r_gain = torch.cat([torch.zeros(2 * pairs, dtype=torch.float64), count / s, -2 * gain])
    W_in = reading(embedding, shared_reading(config).expand(config.p, -1))
    W_out, b_out = two_parts(L, q_gain, r_gain)
    mixing = dot_mixing(embedding, scores)
    read_out = {"W_in": W_in, "b_in": b_in, "W_out": W_out, "b_out": b_out}
    return config, {"W_E": embedding, **mixing, **read_out}


@construction("bos+sftm-parity", "other", "semantic", plant=Plant(None, also=("mixed",)))
def _split(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """c = 2 q + r: the BOS mass gives q to all tokens, each looks its own parity r up."""
    T, L = sizes.T, sizes.L
    pairs = L // 2
    config = CountingConfig.of("bos+sftm", T=T, L=L, d=T + 1, p=2 * pairs + T * L)
    embedding = basis(config, generator)
    scores = relational_scores(config, generator)
    E, c = scores[0, 0].exp(), torch.arange(L + 1, dtype=torch.float64)
    total = E * (1 + c) + L - c
    on_bos, on_self = E / total, E * c / total
    # The BOS mass falls: the ramp of pair j ends before 2 j - 1 and starts behind 2 j.
    odd, even = on_bos[1::2][:pairs], on_bos[2::2]
    edge = uniform(0.1, 0.3, generator)
    at, gain = ramps(even + edge * (odd - even), (1 - 2 * edge) * (odd - even))
    bends, parity = interpolation(on_self, c % 2)
    rho = torch.cat(
        [shared_reading(config).expand(2 * pairs, -1), private_reading(config).repeat(L, 1)]
    )
    b_in = torch.cat([-at, -1 - bends.repeat_interleave(T)])
    q_gain = torch.cat([-gain, torch.zeros(T * L, dtype=torch.float64)])
    r_gain = torch.cat([torch.zeros(2 * pairs, dtype=torch.float64), parity.repeat_interleave(T)])
    # q is counted down from `pairs`: lines are moved by it.
    W_out, b_out = two_parts(L, q_gain, r_gain)
    q_slope = envelope(*2 * (torch.arange(L // 2 + 1, dtype=torch.float64),))[0]
    b_out = b_out + pairs * q_slope[torch.arange(L + 1) // 2]
    mixing = dot_mixing(embedding, scores)
    read_out = {"W_in": reading(embedding, rho), "b_in": b_in, "W_out": W_out, "b_out": b_out}
    return config, {"W_E": embedding, **mixing, **read_out}
