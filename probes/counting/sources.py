"""Where attention scores come from, positions or content: queries and keys split in two ways.

First block: its queries and keys depend on a position and the token there, nothing else. All of
them are enumerated, so the split is exact. Deeper blocks: they depend on the whole sequence.
Sampled sequences are put into several random orders each; "content" is an item together with its
sequence, whatever the order, and the split is measured (`score_terms.py` has the algebra).

Query and key are taken from different sequences. Within one, position i always meets itself with
its own token, and attention to equal tokens would look like attention to one's own position.
BOS always stands at position 0, where token and position cannot be told apart: it is left out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.mixing import is_constant
from mechprobe.probes.counting.score_terms import (
    POSITIONAL,
    SEMANTIC,
    TERMS,
    Moments,
    Sums,
    balanced,
    constant,
    resampled,
    rounding,
    variances,
    without_positions,
)
from mechprobe.probes.counting.source_runs import (
    Resampled,
    Table,
    constant_scores,
    deeper_blocks,
    first_block,
    hook_names,
    spread,
)

if TYPE_CHECKING:
    from mechprobe.models.hooked import HookedConfig

GROUPS = 16  # of sequences, for the standard errors

Pair = tuple[Moments, Moments]  # of queries and of keys


@dataclass(frozen=True)
class Sources:
    """The split of a model's attention scores.

    Args:
        terms: variance of each of `score_terms.TERMS` in every head of every block; those of the
            query alone are 0 where a softmax hides them.
        replicates: the same with each group of sequences left out (jackknife); the first block's
            are exact, and all alike.
        place: mean queries and keys at each position less their mean over positions, and `mean`
            that mean, by hook name; empty where there are no queries and keys.
        first: queries and keys of the first block, every token at every position; None likewise.
        fixed: whether scores are a constant matrix, so that all of them is positional.
        softmax: whether the mixing passes a softmax.
    """

    terms: Float[Tensor, "layer head term"]
    replicates: Float[Tensor, "group layer head term"]
    place: dict[str, Float[Tensor, "pos head e"]]
    mean: dict[str, Float[Tensor, "head e"]]
    first: tuple[Table, Table] | None
    fixed: bool
    softmax: bool

    def share(self, *names: str) -> float | None:
        """Share of some terms in the variance of all heads, each counting by its own variance;
        None where all scores are alike. A constant matrix is positional also then."""
        if not self.fixed or self.terms.sum() > 0:
            return _share(self.terms, names)
        return float("position_position" in names)

    def error(self, *names: str) -> float | None:
        """Standard error of a share, by jackknife; 0 where it is exact."""
        if self.share(*names) is None:
            return None
        found = [_share(part, names) or 0.0 for part in self.replicates]
        values = torch.tensor(found, dtype=torch.float64)
        return ((len(values) - 1) * values.var(correction=0)).sqrt().item()

    def size(self, *names: str) -> float:
        """Root of the variance of some terms, mean over heads: a typical score."""
        chosen = self.terms[..., [TERMS.index(name) for name in names]]
        return chosen.sum(-1).mean().clamp(min=0).sqrt().item()

    @property
    def m_like(self) -> float:
        """Root of the positional variance. Plays the part of m in arXiv:2402.03902: an analogy."""
        return self.size(*POSITIONAL)

    @property
    def theta_like(self) -> float:
        """Root of the semantic variance. Plays the part of theta there: an analogy."""
        return self.size(*SEMANTIC)


def sources(context: CountContext) -> Sources:
    """Split the scores of every head of every block."""
    model, cfg = context.model, context.model.cfg
    softmax = all(mixing.softmax for mixing in model.mixers)
    if is_constant(model):
        terms = torch.stack([constant(part, softmax) for part in constant_scores(context)])
        return Sources(terms, terms.unsqueeze(0), {}, {}, None, True, softmax)
    first = first_block(model, context.task)
    q, k = first
    exact = _known(balanced(q), cfg), _known(balanced(spread(k, q.shape[-2])), cfg)
    at = dict(zip(hook_names(model, 0), (q.mean(0), k.mean(0)), strict=True))
    full = [_terms(exact, exact, cfg.attn_scale, softmax)]
    each = [full[0].expand(GROUPS, -1, -1)]
    for layer, found in enumerate(deeper_blocks(context), 1):
        whole, parts = _moments(found, cfg)
        full.append(_terms(whole, whole, cfg.attn_scale, softmax))
        each.append(_terms(parts, whole, cfg.attn_scale, softmax))
        means = (part.by_position.mean((0, 1)) for part in found)
        at |= zip(hook_names(model, layer), means, strict=True)
    mean = {name: value.mean(0) for name, value in at.items()}
    # Without positions what is left at each is rounding, or sampling.
    here = float(cfg.knows_positions)
    place = {name: here * (value - mean[name]) for name, value in at.items()}
    stacked = torch.stack(full), torch.stack(each, 1)
    return Sources(*stacked, place, mean, first, False, softmax)


def _known(found: Moments, cfg: "HookedConfig") -> Moments:
    return found if cfg.knows_positions else without_positions(found)


def _moments(found: tuple[Resampled, Resampled], cfg: "HookedConfig") -> tuple[Pair, Pair]:
    """Moments over all sequences, and with each group left out."""
    heads = found[0].by_item.shape[-2]
    grouped = [
        [
            spread(value, heads).reshape(GROUPS, -1, *value.shape[1:3], heads, value.shape[-1])
            for value in (one.by_position, one.by_item)
        ]
        for one in found
    ]
    sums = [Sums.of(*values) for values in grouped]
    q, k = (_known(resampled(one.whole()), cfg) for one in sums)
    each_q, each_k = (_known(resampled(one.without_one()), cfg) for one in sums)
    return (q, k), (each_q, each_k)


def _terms(
    pair: Pair, whole: Pair, scale: float, softmax: bool
) -> Float[Tensor, "*batch head term"]:
    """Variances of the terms, 0 for a head whose scores vary by rounding only."""
    found = variances(*pair, scale, softmax)
    there = found.sum(-1, keepdim=True) > rounding(*whole, scale).unsqueeze(-1)
    return torch.where(there, found, 0.0)


def _share(terms: Tensor, names: tuple[str, ...]) -> float | None:
    """Share of some terms in the variance of all, summed over heads."""
    by_term = terms.flatten(0, -2).sum(0)
    total = by_term.sum().item()
    if total <= 0:
        return None
    return sum(by_term[TERMS.index(name)].item() for name in names) / total
