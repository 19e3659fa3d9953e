"""Whether a model does what its causal model says, by interchange on pairs it never saw.

Only pairs that tell causal models apart are counted: where the interchange would leave the answer
the same by any of them nothing is learnt. Nothing here uses count means, slopes or labels.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.forward import attend, read_out
from mechprobe.models.families.counting.training.siit.interchange import (
    Places,
    swap_counter,
    swap_store,
)
from mechprobe.models.families.counting.training.siit.pairs import Pairs, draw_pairs, stacked
from mechprobe.models.families.counting.weights import Weights
from mechprobe.models.tasks.causal_models import CausalModel

PAIRS = 4000
LEAST = 0.95  # share of right answers, in every case
LEAST_TOKEN = 0.8  # the same for every single token
# t is the base position's token, s the partner's; c and c' their counts, each in its own sequence.
CASES = {
    "behaviour": "nothing is put in: the count of t",
    "counter followed": "s's shared counter, t has the same, c' is not c: c'",
    "counter ignored": "s's shared counter, t has another, c' is not c: c",
    "store followed": "the store, t has a counter of its own, with another count there: that",
    "store of others ignored": "the store, t has a counter and count of its own, c' is not c: c",
    "store ignored": "the store, t shares a counter, c' is not c: c",
    "everything followed": "all that attention wrote, t and s share a counter, c' is not c: c'",
}


@dataclass(frozen=True)
class Verified:
    """Interchange accuracy of one case; NaN where the causal model has no such case.

    Args:
        accuracy: share of answers as the causal model has them.
        worst: the same for the token that does worst.
        pairs: positions behind it.
    """

    accuracy: float
    worst: float
    pairs: int

    @property
    def holds(self) -> bool:
        """Whether it is good enough to call the causal model true; so, too, where no pair asks."""
        return self.pairs == 0 or (self.accuracy >= LEAST and self.worst >= LEAST_TOKEN)


def verify(
    config: CountingConfig, weights: Weights, causal: CausalModel, seed: int, pairs: int = PAIRS
) -> dict[str, Verified]:
    """Interchange accuracy in each of CASES.

    Args:
        config: of the model.
        weights: of one model, without a stack axis.
        causal: what it is said to do.
        seed: of the pairs' stream; not one that it was trained with.
        pairs: sequences to put into.
    """
    stack = {name: w.unsqueeze(0) for name, w in weights.items()}
    drawn = stacked([draw_pairs(config, seed, 0, pairs)])
    places = Places.of([causal], config.d)
    with torch.no_grad():
        found = _attended(config, stack, drawn)
        counter, store = swap_counter(places, drawn, *found), swap_store(places, drawn, *found)
        plain, by_counter, by_store, everything = (
            read_out(stack, stream).argmax(-1)[0]
            for stream in (
                found[0] + found[1], counter.stream, store.stream, found[0] + found[2]
            )
        )  # fmt: skip
    p = Pairs(*(part[0] for part in vars(drawn).values()))
    shared, s_shared = (places.column[0][tokens] >= 0 for tokens in (p.base, p.token))
    same = causal.shares[p.base, p.token]
    moved, other = p.partner_count != p.count, p.base != p.token
    own = ~shared & (p.own_in_source > 0)
    cases: dict[str, tuple[Tensor, Tensor, Tensor]] = {
        "behaviour": (plain, p.count, torch.ones_like(shared)),
        "counter followed": (by_counter, p.partner_count, s_shared & same & other & moved),
        "counter ignored": (by_counter, p.count, s_shared & ~same & moved),
        "store followed": (by_store, p.own_in_source, own & (p.own_in_source != p.count)),
        "store of others ignored": (
            by_store, p.count, own & other & moved & (p.own_in_source == p.count)
        ),
        "store ignored": (by_store, p.count, shared & moved),
        "everything followed": (everything, p.partner_count, shared & same & other & moved),
    }  # fmt: skip
    return {
        name: _verified(answer == wanted, asked, p.base)
        for name, (answer, wanted, asked) in cases.items()
    }


def _attended(config: CountingConfig, stack: Weights, pairs: Pairs) -> tuple[Tensor, ...]:
    """Embeddings in the base, and what attention adds there and, at the partners, in the source."""
    first = int(config.bos)
    both = pad(torch.cat([pairs.base, pairs.source], 1), (first, 0), value=config.T)
    x, out = (part[:, :, first:].chunk(2, 1) for part in attend(config, stack, both))
    return x[0], out[0], out[1].gather(2, pairs.partner.unsqueeze(-1).expand_as(out[1]))


def _verified(
    right: Bool[Tensor, "n pos"], asked: Bool[Tensor, "n pos"], token: Int[Tensor, "n pos"]
) -> Verified:
    each: Float[Tensor, " token"] = token[asked].bincount(right[asked].double())
    number = token[asked].bincount()
    if not asked.any():
        return Verified(float("nan"), float("nan"), 0)
    shares = (each / number)[number > 0]
    return Verified(
        right[asked].double().mean().item(), shares.min().item(), int(asked.count_nonzero())
    )
