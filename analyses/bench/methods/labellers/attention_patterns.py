"""Attention-pattern heuristics: does a token attend to its own kind?"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.analyses.bench.methods.registry import method
from mechprobe.analyses.bench.methods.sharing import TESTED, accuracy_of, by_share
from mechprobe.models import HistogramTask, HookedTransformer, MechprobeError
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.draws import generator


@method(
    "attention-patterns",
    source="as figures of attention maps are read, e.g. Behrens et al., arXiv:2407.11542, fig. 3",
)
def attention_patterns(
    model: HookedTransformer, task: HistogramTask, seed: int
) -> Mapping[str, float]:
    """Weights on the same token against weights on others, in the head where they differ most."""
    if reason := lacks(model, "weights"):
        raise MechprobeError(reason)
    draws = generator(seed, "attention patterns")
    tokens = task.sample(TESTED, draws)
    names = [mixing.hooks["pattern"] for mixing in model.mixers]
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, names_filter=lambda name: name in names)
    contrast = torch.cat([_contrasts(cache[name], tokens, int(task.bos)) for name in names])
    return by_share(accuracy_of(model, task, draws), float(contrast.max()))


def _contrasts(
    pattern: Float[Tensor, "batch head q k"], tokens: Tensor, start: int
) -> Float[Tensor, " head"]:
    """|mean weight on another place of the same token - mean weight on other tokens|, over the sum
    of their sizes; BOS and the place itself are left out."""
    body, weights = tokens[:, start:], pattern[:, :, start:, start:].double()
    same = body.unsqueeze(-1) == body.unsqueeze(-2)
    itself = torch.eye(body.shape[1], dtype=torch.bool)
    on_same = weights.movedim(1, -1)[same & ~itself].mean(0)
    on_other = weights.movedim(1, -1)[~same].mean(0)
    scale = (on_same.abs() + on_other.abs()).clamp(min=1e-12)
    return (on_same - on_other).abs() / scale
