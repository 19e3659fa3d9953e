"""Activation patching by hand: what another token's attention wrote is put in the place of one's
own.

TransformerLens's patching functions sweep positions, the same for all sequences of a batch; here
each sequence has a place of its own, so the hook is written out.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from mechprobe.analyses.bench.methods.registry import method
from mechprobe.analyses.bench.methods.sharing import (
    Pairs,
    accuracy_of,
    balanced,
    by_share,
    paired,
)
from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.probes.draws import generator

REPS, PAIRS = 8, 4000


@method(
    "activation-patching",
    source="Vig et al. 2020; Meng et al., arXiv:2202.05262; Heimersheim and Nanda, 2404.15255",
)
def activation_patching(
    model: HookedTransformer, task: HistogramTask, seed: int
) -> Mapping[str, float]:
    """Does the answer follow a foreign token's count once that token's attention output is there?

    Or the own token's count in the foreign sequence, which a look-up would read?
    """
    draws = generator(seed, "activation patching")
    places = balanced(task, REPS, draws)
    own = paired(places, PAIRS // 4, draws, same=True)
    found = float((patched(model, own) == own.source.counts).double().mean())
    pairs = paired(places, PAIRS, draws)
    there = pairs.source.occurrences(pairs.base.token).clamp(min=1)  # what a look-up would read
    told = pairs.crossed & (there != pairs.source.counts) & (there != pairs.base.counts)
    chosen = Pairs(pairs.base.take(told), pairs.source.take(told))
    answer = patched(model, chosen)
    follows = float((answer == chosen.source.counts).double().mean())
    looks_up = float((answer == there[told]).double().mean())
    share = follows / max(follows + looks_up, 1e-9)
    return by_share(
        accuracy_of(model, task, draws), share, min(found, follows + looks_up) if found else 0.0
    )


def patched(model: HookedTransformer, pairs: Pairs) -> Int[Tensor, " row"]:
    """Answers at the base places with the last block's attention output of the sources."""
    base, source = pairs
    hook = f"blocks.{model.cfg.n_layers - 1}.hook_attn_out"
    rows = torch.arange(len(base.at))
    with torch.no_grad():
        _, cache = model.run_with_cache(source.inputs, names_filter=hook)
        written = cache[hook][rows, source.at]

        def put(out: Float[Tensor, "batch pos d"], hook: HookPoint) -> Tensor:
            out = out.clone()
            out[rows, base.at] = written
            return out

        logits = model.run_with_hooks(base.inputs, fwd_hooks=[(hook, put)])
    answers: Tensor = logits[rows, base.at].argmax(-1)
    return answers
