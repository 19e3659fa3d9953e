"""Counting transformers as hooked models (arXiv:2407.11542, section 2)."""

from typing import cast

import torch
from torch import nn

from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting import CountingConfig, check, initial
from mechprobe.models.hooked.attention import Attention
from mechprobe.models.hooked.block import Block
from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.embedding import Embed
from mechprobe.models.hooked.family import Family, Parts, model_family
from mechprobe.models.hooked.feed_forward import MLP
from mechprobe.models.hooked.unembedding import Unembed

pad = nn.functional.pad


@model_family("counting")
class CountingFamily(Family):
    """In the widened view the stream is [d | classes]: the feed-forward answers in its own part."""

    def config(self, data: object, where: str) -> CountingConfig:
        """Validate a stored configuration."""
        return CountingConfig.checked(data, where)

    def check(self, config: CountingConfig, weights: Weights, where: str = "weights") -> None:
        """Compare weights with a configuration."""
        check(config, weights, where)

    def initial(self, config: CountingConfig, generator: torch.Generator) -> Weights:
        """Random weights as training starts with them."""
        return initial(config, generator)

    def build(self, config: CountingConfig, weights: Weights, widened: bool) -> Parts:
        """Modules of a view."""
        w = weights
        extra = config.n_classes if widened else 0
        cfg = HookedConfig(
            d_model=config.d + extra,
            d_head=config.d,
            d_value=config.d,
            d_mlp=config.p,
            d_vocab=config.n_classes if widened else config.n_vocab,
            d_vocab_out=config.n_classes,
            n_ctx=config.n_ctx,
            attn_scale=config.d**0.5,
            softmax=config.softmax,
            widened=widened,
            dtype=w["W_E"].dtype,
            constant_mixing=config.mixing == "lin",
        )
        mixing: Weights = {name: w[name] for name in ("W_Q", "W_K", "W_mix") if name in w}
        if config.mixing != "lin":
            mixing = {name: pad(W, (0, 0, 0, extra)).unsqueeze(0) for name, W in mixing.items()}
        left = config.d if widened else 0
        mlp = MLP(
            pad(w["W_in"], (0, 0, 0, extra)),
            w["b_in"],
            pad(w["W_out"], (left, 0)),
            pad(w["b_out"], (left, 0)),
        )
        embed = Embed(pad(w["W_E"], (0, extra)))
        embed.requires_grad_(config.embeddings == "trained")
        return Parts(
            cfg=cfg,
            embed=embed,
            pos_embed=None,
            blocks=[Block(Attention(cfg, mixing), mlp, {}, (True, widened))],
            unembed=Unembed(cfg, left + config.n_classes, left),
        )

    def natural(self, config: CountingConfig, parts: Parts) -> Weights:
        """The weights a view was built from."""
        block = cast(Block, parts.blocks[0])
        attn, mlp = cast(Attention, block.attn), block.mlp
        left = config.d if parts.cfg.widened else 0
        mixing: dict[str, torch.Tensor] = (
            {"W_mix": attn.W_mix}
            if config.mixing == "lin"
            else {"W_Q": attn.W_Q[0, : config.d], "W_K": attn.W_K[0, : config.d]}
        )
        return {
            "W_E": cast(Embed, parts.embed).W_E[:, : config.d],
            **mixing,
            "W_in": mlp.W_in[: config.d],
            "b_in": mlp.b_in,
            "W_out": mlp.W_out[:, left:],
            "b_out": mlp.b_out[left:],
        }
