"""Pairs of sequences for interchange: a base, a source that shares tokens with it, and positions.

Two sequences drawn apart from each other have few tokens in common where the alphabet is large, and
a store of counts can only be tested on tokens that both hold. The source's tokens are therefore
renamed, one to one, so that many of them are the base's; how often they occur stays as drawn.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.training.stream import block_tokens

FOREIGN = 0.5  # how far behind the base's tokens others stand in line; 1 and more: always behind


@dataclass(frozen=True)
class Pairs:
    """Sequences without BOS, and what an interchange at every base position is about.

    Args:
        base, source: token ids.
        partner: position in the source for each one in the base.
        count: occurrences of the base position's token in the base.
        token: what stands at the partner.
        partner_count: how often that occurs in the source.
        own_in_source: how often the base position's token occurs in the source; may be 0.
    """

    base: Int[Tensor, "*batch pos"]
    source: Int[Tensor, "*batch pos"]
    partner: Int[Tensor, "*batch pos"]
    count: Int[Tensor, "*batch pos"]
    token: Int[Tensor, "*batch pos"]
    partner_count: Int[Tensor, "*batch pos"]
    own_in_source: Int[Tensor, "*batch pos"]

    @classmethod
    def of(
        cls,
        base: Int[Tensor, "*batch pos"],
        source: Int[Tensor, "*batch pos"],
        partner: Int[Tensor, "*batch pos"],
    ) -> "Pairs":
        """Look up tokens and counts."""
        token = source.gather(-1, partner)
        return cls(
            base,
            source,
            partner,
            _occurrences(base, base),
            token,
            _occurrences(token, source),
            _occurrences(base, source),
        )

    def rows(self, chosen: slice) -> "Pairs":
        """Some pairs, along the axis before the last."""
        return Pairs(*(part[..., chosen, :] for part in vars(self).values()))

    def columns(self, chosen: Int[Tensor, " k"]) -> "Pairs":
        """Some base positions of every pair, with their partners; sequences are cut to them too."""
        return Pairs(*(part[..., chosen] for part in vars(self).values()))


def draw_pairs(config: CountingConfig, seed: int, block: int, n: int) -> Pairs:
    """The n pairs of a block of a model's stream; they depend on nothing but the arguments.

    Args:
        config: gives T and L.
        seed: of the stream.
        block: its number, from 0.
        n: pairs in the block.
    """
    both = block_tokens(config, seed, block, 2 * n)[:, int(config.bos) :]
    generator = torch.Generator().manual_seed(seed * 1_000_003 + block)
    base, drawn = both[:n], both[n:]
    # Both alphabets are put in line, tokens that occur first, and renamed place by place.
    line = (draw_uniform((n, config.T), generator) + _absent(drawn, config.T)).argsort(-1)
    names = (draw_uniform((n, config.T), generator) + FOREIGN * _absent(base, config.T)).argsort(-1)
    renamed = torch.empty_like(names).scatter_(-1, line, names)
    partner = draw_uniform(base.shape, generator).argsort(-1)
    return Pairs.of(base, renamed.gather(-1, drawn), partner)


def stacked(pairs: list[Pairs]) -> Pairs:
    """Pairs of several models, with a stack axis in front."""
    columns = zip(*(vars(one).values() for one in pairs), strict=True)
    return Pairs(*(torch.stack(parts) for parts in columns))


def _absent(tokens: Int[Tensor, "n pos"], T: int) -> Tensor:
    return torch.ones((len(tokens), T), dtype=torch.float32).scatter_(-1, tokens, 0.0)


def _occurrences(
    tokens: Int[Tensor, "*batch pos"], within: Int[Tensor, "*batch pos"]
) -> Int[Tensor, "*batch pos"]:
    return (tokens.unsqueeze(-1) == within.unsqueeze(-2)).sum(-1)
