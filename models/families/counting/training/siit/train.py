"""Strict interchange-intervention training of counting transformers.

A model is trained to count and, at the same time, to answer interchanges as its causal model does:
cross-entropy of its answers on the base, and with the source's numbers in either place
(`interchange.py`). What a place must not do is trained as well: that is what makes it strict
(InterpBench, arXiv:2407.14494, section 3).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.forward import read_out
from mechprobe.models.families.counting.training.plan import TrainingPlan
from mechprobe.models.families.counting.training.siit.interchange import (
    Places,
    swap_counter,
    swap_store,
)
from mechprobe.models.families.counting.training.siit.pairs import Pairs, draw_pairs, stacked
from mechprobe.models.families.counting.training.siit.tables import attend_at
from mechprobe.models.families.counting.weights import Weights, initial
from mechprobe.models.tasks.causal_models import CausalModel

BLOCK = 50  # steps whose pairs are drawn at once
POSITIONS = 4  # of every pair that a step looks at


def train_strictly(
    config: CountingConfig,
    causal: Sequence[CausalModel],
    seeds: Sequence[int],
    plan: TrainingPlan,
) -> list[Weights]:
    """Train a stack of models, each towards a causal model of its own.

    Args:
        config: shared by the stack.
        causal: what each is to become; as many as seeds.
        seeds: of initial weights and of data; a model does not depend on its neighbours but for
            rounding.
        plan: steps, pairs a step, learning rate.

    Raises:
        MechprobeError: a causal model is of another alphabet, or has more shared counters than
            the stream has coordinates.
    """
    places = _placed(config, causal)
    made = [initial(config, torch.Generator().manual_seed(seed)) for seed in seeds]
    weights = {n: torch.stack([w[n] for w in made]).requires_grad_() for n in made[0]}
    adam = torch.optim.Adam(weights.values(), betas=(0.9, 0.98), fused=True)
    rates = plan.rates(0, plan.steps)
    for step in range(plan.steps):
        if step % BLOCK == 0:
            number, size = step // BLOCK, BLOCK * plan.batch
            block = stacked([draw_pairs(config, seed, number, size) for seed in seeds])
        at = step % BLOCK * plan.batch
        adam.param_groups[0]["lr"] = float(rates[step])
        adam.zero_grad()
        # Positions in turn: a constant matrix knows them, to all others they are alike.
        columns = (step + torch.arange(min(POSITIONS, config.L))) % config.L
        pairs = block.rows(slice(at, at + plan.batch))
        loss = strict_loss(config, weights, places, pairs, columns)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    return [{name: w.detach()[i].clone() for name, w in weights.items()} for i in range(len(seeds))]


def strict_loss(
    config: CountingConfig,
    weights: Weights,
    places: Places,
    pairs: Pairs,
    columns: Int[Tensor, " k"],
) -> Float[Tensor, ""]:
    """Sum over the stack of three mean cross-entropies: behaviour and the two interchanges.

    Args:
        config, weights: of the stack.
        places: where its causal models keep their counters.
        pairs: of every model.
        columns: base positions to look at.
    """
    n = pairs.base.shape[1]
    at = columns.expand(len(pairs.base), n, -1)
    x, base = attend_at(config, weights, pairs.base, at)
    _, source = attend_at(config, weights, pairs.source, pairs.partner[..., columns])
    seen = pairs.columns(columns)
    found = [part.view(len(part), n, -1, config.d) for part in (x, base, source)]
    swaps = [swap(places, seen, *found) for swap in (swap_counter, swap_store)]
    streams = [found[0] + found[1], *(swap.stream for swap in swaps)]
    answers = read_out(weights, torch.cat(streams, 1)).chunk(3, 1)
    loss = _mean_loss(answers[0], seen.count, torch.ones_like(seen.count, dtype=torch.bool))
    for logits, swap in zip(answers[1:], swaps, strict=True):
        loss = loss + _mean_loss(logits, swap.wanted, swap.valid)
    return loss


def _mean_loss(
    logits: Float[Tensor, "stack batch pos classes"],
    wanted: Int[Tensor, "stack batch pos"],
    valid: Bool[Tensor, "stack batch pos"],
) -> Float[Tensor, ""]:
    each = cross_entropy(logits.flatten(0, -2), wanted.flatten(), reduction="none")
    weight = valid.to(each.dtype).flatten(1)
    return ((each.view_as(weight) * weight).sum(-1) / weight.sum(-1).clamp(min=1)).sum()


def _placed(config: CountingConfig, causal: Sequence[CausalModel]) -> Places:
    for model in causal:
        if (T := len(model.counters)) != config.T:
            raise MechprobeError(
                f"causal model {model.name!r} has {T} tokens, the configuration T={config.T}"
            )
    places = Places.of(list(causal), config.d)
    if (used := int(places.column.max()) + 1) > config.d:
        raise MechprobeError(
            f"{used} shared counters do not fit into d={config.d} coordinates; use a larger d"
        )
    return places
