"""Planted: several heads write the count, and not all of them matter.

Two neurons that cancel make a loud count useless; a maximum makes one of two shared counts enough.
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
    slots,
    turned,
)
from mechprobe.models.tasks.causal_models import inventory, relation


@construction("impostor", "inventory-based", None, plant=Plant(lambda sizes: inventory(sizes.T)))
def _impostor(sizes: Sizes, generator: torch.Generator) -> tuple[TransformerConfig, Weights]:
    """A loud shared count whose two neurons cancel; a look-up beside it gives the answer."""
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, sums=T, one=1, compared=1)
    one, compared = at["one"].start, at["compared"].start
    config = TransformerConfig.checked(
        {"T": T, "L": L, "d": d, "p": T + 2, "n_heads": 2, "d_head": d, "softmax": False,
         "values": "value-output"}
    )  # fmt: skip
    w = blank(config)
    w["W_E"][:, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:, one] = 1.0
    same, level, tells, adds = torch.zeros(4, d, d, dtype=torch.float64)
    same[at["token"], at["token"]] = torch.eye(T, dtype=torch.float64)
    tells[one, compared] = 3.0
    level[one, one] = uniform(0.5, 1.0, generator) / L
    adds[at["token"], at["sums"]] = torch.eye(T, dtype=torch.float64)
    for head, (scores, moves) in enumerate(((same, tells), (level, adds))):
        attend(w, 0, head, scores, d)
        carry(w, 0, head, moves)
    scale = 0.5 + draw_uniform((T,), generator, torch.float64)
    for part in (at["token"], at["sums"]):
        w["blocks.0.W_in"][part, :T] = scale.diag()
    w["blocks.0.b_in"][:T] = -scale
    w["blocks.0.W_in"][compared, T:] = 1.0
    gain = torch.cat([1 / scale, torch.tensor([1.0, -1.0], dtype=torch.float64)])
    return config, turned(config, decoded(config, w, gain, generator), generator)


@construction(
    "twice-compared",
    "relation-based",
    None,
    plant=Plant(lambda sizes: relation(sizes.T), held_out=True),
)
def _twice(sizes: Sizes, generator: torch.Generator) -> tuple[TransformerConfig, Weights]:
    """Two heads compare tokens and write a shared count each; the larger of them is the answer."""
    T, L = sizes.T, sizes.L
    at, d = slots(token=T, one=1, first=1, second=1)
    one, first, second = (at[name].start for name in ("one", "first", "second"))
    config = TransformerConfig.checked(
        {"T": T, "L": L, "d": d, "p": 2, "n_heads": 2, "d_head": d, "softmax": False,
         "values": "value-output"}
    )  # fmt: skip
    w = blank(config)
    w["W_E"][:, at["token"]] = torch.eye(T, dtype=torch.float64)
    w["W_E"][:, one] = 1.0
    size = [uniform(0.5, 1.0, generator) / L, uniform(1.5, 2.0, generator) / L]
    for head, written in enumerate((first, second)):
        scores, moves = torch.zeros(2, d, d, dtype=torch.float64)
        scores[at["token"], at["token"]] = size[head] * torch.eye(T, dtype=torch.float64)
        moves[one, written] = 1.0
        attend(w, 0, head, scores, d)
        carry(w, 0, head, moves)
    # max(first, second) = relu(first) + relu(second - first), both in counts.
    w["blocks.0.W_in"][first] = torch.tensor([1.0, -1.0], dtype=torch.float64) / size[0]
    w["blocks.0.W_in"][second, 1] = 1 / size[1]
    gain = torch.ones(2, dtype=torch.float64)
    return config, turned(config, decoded(config, w, gain, generator), generator)
