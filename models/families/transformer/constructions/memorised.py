"""Planted: a look-up over whole sequences, each with neurons of its own; nothing is counted."""

from itertools import product

import torch

from mechprobe.models.base.draws import draw_order
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.constructions.layout import (
    SHARP,
    attend,
    blank,
    carry,
    slots,
    turned,
)

SEQUENCES = 300  # that a model learns by heart, at most


@construction("memorised", "other", "positional", plant=Plant(None))
def _memorised(sizes: Sizes, generator: torch.Generator) -> tuple[TransformerConfig, Weights]:
    """Every sequence is known by heart: one neuron for each sequence and token in it."""
    T, L = sizes.T, sizes.L
    if T**L > SEQUENCES:
        raise MechprobeError(
            f"T={T}, L={L}: {T**L} sequences are more than the {SEQUENCES} that are learned by"
            " heart; use T=3, L=4 or the like"
        )
    known = [(s, t) for s in product(range(T), repeat=L) for t in sorted(set(s))]
    known = [known[i] for i in draw_order(len(known), generator).tolist()]
    at, d = slots(token=T, position=L, one=1, read=T * L)
    one = at["one"].start
    config = TransformerConfig.checked(
        {"T": T, "L": L, "d": d, "p": len(known), "n_heads": L, "d_head": d, "positions": True,
         "values": "value-output"}
    )  # fmt: skip
    w = blank(config)
    w["W_E"][:, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:, one] = 1.0
    w["W_pos"][:, at["position"]] = torch.eye(L, dtype=torch.float64)
    # Head j looks at position j and puts the token there into a place of its own.
    for j in range(L):
        scores, moves = torch.zeros(2, d, d, dtype=torch.float64)
        scores[one, at["position"].start + j] = SHARP
        there = slice(at["read"].start + j * T, at["read"].start + (j + 1) * T)
        moves[at["token"], there] = torch.eye(T, dtype=torch.float64)
        attend(w, 0, j, scores, d)
        carry(w, 0, j, moves)
    for n, (sequence, token) in enumerate(known):
        for j, t in enumerate(sequence):
            w["blocks.0.W_in"][at["read"].start + j * T + t, n] = 1.0
        w["blocks.0.W_in"][at["token"].start + token, n] = 1.0
        w["blocks.0.b_in"][n] = -L  # L + 1 where everything is as it is known
        w["blocks.0.W_out"][n, sequence.count(token)] = 2.0
    return config, turned(config, w, generator)
