"""Solvable attention models as hooked models with continuous inputs (arXiv:2402.03902)."""

from typing import cast

from torch import nn

from mechprobe.models.base.weights import Weights
from mechprobe.models.families.solvable import SolvableConfig, check
from mechprobe.models.hooked.attention import Attention
from mechprobe.models.hooked.block import Block
from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.embedding import Inputs, PosEmbed
from mechprobe.models.hooked.family import Family, Parts, model_family
from mechprobe.models.hooked.unembedding import Unembed

pad = nn.functional.pad
GIVEN = ("Q_star", "covariance")  # of the task, carried along and not run


@model_family("solvable")
class SolvableFamily(Family):
    """In the widened view the stream is [input | answer], d coordinates each."""

    def config(self, data: object, where: str) -> SolvableConfig:
        """Validate a stored configuration."""
        return SolvableConfig.checked(data, where)

    def check(self, config: SolvableConfig, weights: Weights, where: str = "weights") -> None:
        """Compare weights with a configuration."""
        check(config, weights, where)

    def build(self, config: SolvableConfig, weights: Weights, widened: bool) -> Parts:
        """Modules of a view."""
        left = config.d if widened else 0
        cfg = HookedConfig(
            d_model=config.d + left,
            d_head=config.rank,
            d_value=config.d,
            d_mlp=0,
            d_vocab=config.d,
            d_vocab_out=config.d,
            n_ctx=config.n_ctx,
            attn_scale=float(config.d),
            softmax=True,
            widened=widened,
            dtype=weights["Q"].dtype,
            attn_only=True,
            positions=True,
        )
        attention = Attention(cfg, {"Q": pad(weights["Q"], (0, 0, 0, left))}, write_at=left)
        embed = Inputs(cfg)
        for name in GIVEN:
            if name in weights:
                embed.register_buffer(name, weights[name])
        return Parts(
            cfg=cfg,
            embed=embed,
            pos_embed=PosEmbed(pad(weights["W_pos"], (0, left)), learned=False),
            blocks=[Block(attention, None, {}, (widened, False))],
            unembed=Unembed(cfg, cfg.d_model, left),
        )

    def natural(self, config: SolvableConfig, parts: Parts) -> Weights:
        """The weights a view was built from."""
        block = cast(Block, parts.blocks[0])
        positions = cast(PosEmbed, parts.pos_embed)
        given = dict(parts.embed.named_buffers())
        return {
            "Q": cast(Attention, block.attn).Q[: config.d],
            "W_pos": positions.W_pos[:, : config.d],
            **{name: given[name] for name in GIVEN if name in given},
        }
