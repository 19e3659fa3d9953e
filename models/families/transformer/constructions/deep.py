"""Planted: two blocks of which the first decides.

What the last block reads is the same for all tokens; how the count got there is not.
"""

import torch

from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.constructions.designs import uniform
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.constructions.layout import (
    attend,
    blank,
    carry,
    decoded,
    neuron,
    slots,
    turned,
)
from mechprobe.models.tasks.causal_models import inventory

Made = tuple[TransformerConfig, Weights]


def linear(sizes: Sizes, d: int, p: int, **more: int | bool) -> TransformerConfig:
    """Two blocks whose mixing weights are the scores, with values of their own."""
    kind = {"n_layers": 2, "softmax": False, "values": "value-output", "d_head": d}
    return TransformerConfig.checked({"T": sizes.T, "L": sizes.L, "d": d, "p": p, **kind, **more})


@construction("deep-lookup", "inventory-based", None, plant=Plant(lambda sizes: inventory(sizes.T)))
def _deep_lookup(sizes: Sizes, generator: torch.Generator) -> Made:
    """Block 0 looks every token's count up; block 1 reads it where all tokens have it."""
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, sums=T, one=1, count=1)
    one, count = at["one"].start, at["count"].start
    config = linear(sizes, d, T)
    w = blank(config)
    w["W_E"][:, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:, one] = 1.0
    scores, moves = torch.zeros(2, d, d, dtype=torch.float64)
    scores[one, one] = uniform(0.5, 1.0, generator) / L
    moves[at["token"], at["sums"]] = torch.eye(T, dtype=torch.float64)
    attend(w, 0, 0, scores, d)
    carry(w, 0, 0, moves)
    a = float(scores[one, one])
    scale = 0.5 + draw_uniform((T,), generator, torch.float64)
    for t in range(T):
        # Sums are at most a L <= 1: silent unless t is the token at hand.
        s = float(scale[t])
        reads = {at["token"].start + t: s, at["sums"].start + t: s}
        neuron(w, 0, t, reads, -s, **{f"c{count}": 1 / (s * a)})
    neuron(w, 1, 0, {count: 1.0}, 0.0)
    gain = torch.zeros(T, dtype=torch.float64)
    gain[0] = 1.0
    return config, turned(config, decoded(config, w, gain, generator), generator)


@construction(
    "global-pick",
    "inventory-based",
    None,
    plant=Plant(lambda sizes: inventory(sizes.T), also=("other",), held_out=True),
)
def _global(sizes: Sizes, generator: torch.Generator) -> Made:
    """BOS gathers a table of all counts; every position fetches the table and picks its own."""
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, table=T, fetched=T, body=1, bos=1)
    body, bos = at["body"].start, at["bos"].start
    config = linear(sizes, d, T, bos=True)
    w = blank(config)
    w["W_E"][:T, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:T, body] = 1.0
    w["W_E"][T, bos] = 1.0
    a = uniform(0.5, 1.0, generator) / L
    gather, fetch, into, out = torch.zeros(4, d, d, dtype=torch.float64)
    gather[bos, body] = a
    into[at["token"], at["table"]] = torch.eye(T, dtype=torch.float64)
    attend(w, 0, 0, gather, d)
    carry(w, 0, 0, into)
    fetch[body, bos] = 1.0
    out[at["table"], at["fetched"]] = torch.eye(T, dtype=torch.float64)
    attend(w, 1, 0, fetch, d)
    carry(w, 1, 0, out)
    scale = 0.5 + draw_uniform((T,), generator, torch.float64)
    for t in range(T):
        s = float(scale[t])
        neuron(w, 1, t, {at["token"].start + t: s, at["fetched"].start + t: s}, -s)
    return config, turned(config, decoded(config, w, 1 / scale, generator), generator)


@construction("redundant", "mixed", None, plant=Plant(None, held_out=True))
def _redundant(sizes: Sizes, generator: torch.Generator) -> Made:
    """One head compares tokens, another adds up for a look-up; the larger count is the answer."""
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, sums=T, one=1, compared=1, common=1, private=1)
    one, compared = at["one"].start, at["compared"].start
    common, private = at["common"].start, at["private"].start
    config = linear(sizes, d, T + 1, n_heads=2)
    w = blank(config)
    w["W_E"][:, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:, one] = 1.0
    a, b = (uniform(0.5, 1.0, generator) / L for _ in range(2))
    same, level, tells, adds = torch.zeros(4, d, d, dtype=torch.float64)
    same[at["token"], at["token"]] = a * torch.eye(T, dtype=torch.float64)
    tells[one, compared] = 1.0
    level[one, one] = b
    adds[at["token"], at["sums"]] = torch.eye(T, dtype=torch.float64)
    for head, (scores, moves) in enumerate(((same, tells), (level, adds))):
        attend(w, 0, head, scores, d)
        carry(w, 0, head, moves)
    for t in range(T):
        reads = {at["token"].start + t: 1.0, at["sums"].start + t: 1.0}
        neuron(w, 0, t, reads, -1.0, **{f"c{private}": 1 / b})
    neuron(w, 0, T, {compared: 1.0}, 0.0, **{f"c{common}": 1 / a})
    # max(common, private), for one that is silent is none.
    neuron(w, 1, 0, {common: 1.0}, 0.0)
    neuron(w, 1, 1, {private: 1.0, common: -1.0}, 0.0)
    gain = torch.zeros(T + 1, dtype=torch.float64)
    gain[:2] = 1.0
    return config, turned(config, decoded(config, w, gain, generator), generator)
