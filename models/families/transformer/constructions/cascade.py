"""Planted: the count in two steps over two blocks.

Pairwise cascade: block 0 counts within either half of the sequence, block 1 fetches what the other
half has and adds it. Ranks: block 0 numbers the occurrences of a token from the left, as a sort
would, block 1 fetches the number of the last one.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.constructions.designs import uniform
from mechprobe.models.families.counting.constructions.parity import interpolation
from mechprobe.models.families.counting.constructions.registry import Plant, Sizes, construction
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.constructions.layout import (
    SHARP,
    attend,
    blank,
    carry,
    decoded,
    neuron,
    slots,
    turned,
)
from mechprobe.models.tasks.causal_models import relation

BONUS = 2 * SHARP  # of the last occurrence over the one before


def _two_steps(
    sizes: Sizes,
    generator: torch.Generator,
    first: Float[Tensor, "pos pos"],
    second: Float[Tensor, "pos pos"],
    most: int,
) -> tuple[TransformerConfig, Weights, dict[str, slice]]:
    """Both models up to the neurons of block 1.

    Args:
        sizes: T and L.
        generator: of the free scales.
        first, second: which positions of the body a block looks at, beside the same token: a
            score in [-1, 1] for every pair, added to that of the same token, which is 1.
        most: the greatest number that block 0 finds.
    """
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, position=L, bos=1, found=1, fetched=1, body=1)
    bos, found, body = at["bos"].start, at["found"].start, at["body"].start
    kind = {"bos": True, "positions": True, "n_layers": 2, "values": "value-output", "d_head": d}
    config = TransformerConfig.checked({"T": T, "L": L, "d": d, "p": most + 2, **kind})
    w = blank(config)
    w["W_E"][:T, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:T, body] = 1.0
    w["W_E"][T, bos] = 1.0
    w["W_pos"][1:, at["position"]] = torch.eye(L, dtype=torch.float64)
    tell, fetch = torch.zeros(2, d, d, dtype=torch.float64)
    for block, places in enumerate((first, second)):
        scores = torch.zeros(d, d, dtype=torch.float64)
        scores[at["token"], at["token"]] = SHARP * torch.eye(T, dtype=torch.float64)
        scores[at["position"], at["position"]] = SHARP * places
        # As the best pair of block 0; in block 1 below a pair that is wanted, above all others.
        scores[body, bos] = 2 * SHARP if block == 0 else 1.5 * SHARP
        scores[bos, bos] = SHARP  # BOS looks at itself
        attend(w, block, 0, scores, d)
    # Among n positions and BOS the mass on BOS is 1 / (1 + n); bends turn it into n, and BOS's
    # own position, where it is 1, finds none.
    told = at["fetched"].start
    tell[bos, told] = 1.0
    carry(w, 0, 0, tell)
    n = torch.arange(most, -1, -1, dtype=torch.float64)
    bends, gain = interpolation(1 / (1 + n), n - most)
    for k in range(most):
        neuron(w, 0, k, {told: 1.0}, -float(bends[k]), **{f"c{found}": float(gain[k])})
    w["blocks.0.b_out"][found] = most
    # What it was told is taken off the coordinate again, for block 1 to write there.
    neuron(w, 0, most, {told: 1.0}, 0.0, **{f"c{told}": -1.0})
    fetch[found, told] = uniform(0.5, 1.5, generator)
    carry(w, 1, 0, fetch)
    return config, w, at


@construction(
    "cascade",
    "relation-based",
    None,
    plant=Plant(lambda sizes: relation(sizes.T), also=("other",), held_out=True),
)
def _cascade(sizes: Sizes, generator: torch.Generator) -> tuple[TransformerConfig, Weights]:
    """Block 0 counts in either half of the sequence, block 1 adds what the other half has."""
    half = torch.arange(sizes.L) < sizes.L // 2
    within = (half.unsqueeze(1) == half).double()
    most = math.ceil(sizes.L / 2)
    config, w, at = _two_steps(sizes, generator, within, 1 - within, most)
    found, fetched = at["found"].start, at["fetched"].start
    scale = float(w["blocks.1.W_V"][0][found, fetched])
    neuron(w, 1, 0, {found: 1.0, fetched: 1 / scale}, 0.0)
    gain = torch.zeros(config.p, dtype=torch.float64)
    gain[0] = 1.0
    return config, turned(config, decoded(config, w, gain, generator), generator)


@construction(
    "ranks", "relation-based", None, plant=Plant(lambda sizes: relation(sizes.T), also=("other",))
)
def _ranks(sizes: Sizes, generator: torch.Generator) -> tuple[TransformerConfig, Weights]:
    """Block 0 numbers occurrences from the left; block 1 fetches the number of the last one."""
    L = sizes.L
    place = torch.arange(L)
    before = (place <= place.unsqueeze(1)).double()
    # Later positions score higher; the same token by so much more that none else is in reach.
    later = (place / L).double().expand(L, L)
    config, w, at = _two_steps(sizes, generator, before, later, L)
    w["blocks.1.W_Q"][0][at["position"]] *= L * BONUS / SHARP
    w["blocks.1.W_Q"][0][at["token"]] *= 2 * L * BONUS / SHARP
    fetched = at["fetched"].start
    neuron(w, 1, 0, {fetched: 1.0}, 0.0)
    gain = torch.zeros(config.p, dtype=torch.float64)
    gain[0] = 1.0
    return config, turned(config, decoded(config, w, gain, generator), generator)
