"""Transformers with depth, heads, positions and norms as hooked models."""

from typing import cast

import torch
from torch import Tensor, nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.transformer import TransformerConfig, check, initial, shapes
from mechprobe.models.families.transformer.forward import activation_of
from mechprobe.models.families.transformer.weights import halves
from mechprobe.models.hooked.attention import Attention
from mechprobe.models.hooked.block import Block
from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.embedding import Embed, PosEmbed
from mechprobe.models.hooked.family import Family, Parts, model_family
from mechprobe.models.hooked.feed_forward import MLP
from mechprobe.models.hooked.norm import LayerNorm
from mechprobe.models.hooked.unembedding import LearnedUnembed, Unembed

pad = nn.functional.pad


@model_family("transformer")
class TransformerFamily(Family):
    """In the widened view, of models that answer in classes, the stream is [d | classes]."""

    def config(self, data: object, where: str) -> TransformerConfig:
        """Validate a stored configuration."""
        return TransformerConfig.checked(data, where)

    def check(self, config: TransformerConfig, weights: Weights, where: str = "weights") -> None:
        """Compare weights with a configuration."""
        check(config, weights, where)

    def initial(self, config: TransformerConfig, generator: torch.Generator) -> Weights:
        """Random weights as training starts with them."""
        return initial(config, generator)

    def build(self, config: TransformerConfig, weights: Weights, widened: bool) -> Parts:
        """Modules of a view.

        Raises:
            MechprobeError: a widened view is wanted of a model that has none.
        """
        if widened:
            _check_widens(config)
        extra = config.n_classes if widened else 0
        cfg = _view(config, weights["W_E"].dtype, extra)
        masks = halves(config)
        W_E = pad(weights["W_E"], (0, extra))
        W_pos = pad(weights["W_pos"], (0, extra)) if config.positions else None
        semantic, keep, seen = (
            (None, None, None) if masks is None else (pad(mask, (0, extra)) for mask in masks)
        )
        unembed: Unembed | LearnedUnembed
        if config.readout == "unembed":
            unembed = LearnedUnembed(weights["W_U"], weights["b_U"])
        else:
            left = config.d if widened else 0
            unembed = Unembed(cfg, left + config.n_classes, left)
        return Parts(
            cfg=cfg,
            embed=Embed(W_E, semantic),
            pos_embed=None if W_pos is None else PosEmbed(W_pos, keep),
            blocks=[
                _block(config, cfg, _of_layer(weights, layer), layer, seen)
                for layer in range(config.n_layers)
            ],
            unembed=unembed,
            ln_final=_norm(weights, "ln_final", config.eps),
        )

    def natural(self, config: TransformerConfig, parts: Parts) -> Weights:
        """The weights a view was built from."""
        d = config.d
        named = {"W_E": cast(Embed, parts.embed).stored()[:, :d]}
        if parts.pos_embed is not None:
            named["W_pos"] = parts.pos_embed.stored()[:, :d]
        for layer, block in enumerate(parts.blocks):
            own = _stored(config, cast(Block, block), layer, parts.cfg.widened)
            named |= {f"blocks.{layer}.{name}": weight for name, weight in own.items()}
        if isinstance(norm := parts.ln_final, LayerNorm):
            named |= {"ln_final.w": norm.w, "ln_final.b": norm.b}
        if isinstance(unembed := parts.unembed, LearnedUnembed):
            named |= {"W_U": unembed.W_U, "b_U": unembed.b_U}
        return {name: named[name] for name in shapes(config)}


def _check_widens(config: TransformerConfig) -> None:
    """A stream with coordinates of its own for the answer exists where layers add to the stream,
    unchanged by norms, and the answer is not read off d coordinates anyway."""
    use = "use the natural view"
    if config.readout == "unembed":
        raise MechprobeError(
            f"no widened view: a model with an unembedding answers in its own stream; {use}"
        )
    if config.norm != "none":
        raise MechprobeError(f"no widened view: LayerNorm does not add up over parts; {use}")
    if not config.residual:
        raise MechprobeError(f"no widened view: without residual layers replace the stream; {use}")


def _view(config: TransformerConfig, dtype: torch.dtype, extra: int) -> HookedConfig:
    return HookedConfig(
        d_model=config.d + extra,
        d_head=config.d_head,
        d_value=config.d_value,
        d_mlp=config.p,
        d_vocab=config.n_classes if extra else config.n_vocab,
        d_vocab_out=config.n_classes,
        n_ctx=config.n_ctx,
        attn_scale=config.d_head**0.5,
        softmax=config.softmax,
        widened=extra > 0,
        dtype=dtype,
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        normalization_type=None if config.norm == "none" else "LN",
        act_fn=config.activation,
        constant_mixing=config.mixing == "lin",
        positions=config.positions,
        causal=config.causal,
    )


def _of_layer(weights: Weights, layer: int) -> Weights:
    block = f"blocks.{layer}."
    return {n.removeprefix(block): w for n, w in weights.items() if n.startswith(block)}


def _norm(weights: Weights, name: str, eps: float) -> LayerNorm | None:
    if f"{name}.w" not in weights:
        return None
    return LayerNorm(weights[f"{name}.w"], weights[f"{name}.b"], eps)


def _block(
    config: TransformerConfig, cfg: HookedConfig, w: Weights, layer: int, seen: Tensor | None
) -> Block:
    extra = cfg.d_model - config.d
    into, onto = (0, 0, 0, extra), (0, extra)  # rows that read, columns that write
    padding = {"W_Q": into, "W_K": into, "W_V": into, "W_O": onto, "b_O": onto}
    names = ("W_Q", "W_K", "W_mix", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")
    attended = {name: pad(w[name], padding.get(name, (0, 0))) for name in names if name in w}
    answers = config.answers_in_classes(layer)
    # In the widened view answers have coordinates behind the others.
    side = (config.d, 0) if answers else (0, extra)
    side = side if extra else (0, 0)
    mlp = MLP(
        pad(w["W_in"], into),
        w["b_in"],
        pad(w["W_out"], side),
        pad(w["b_out"], side),
        activation_of(config.activation),
    )
    found = {name: _norm(w, name, config.eps) for name in ("ln1", "ln2")}
    norms = {name: norm for name, norm in found.items() if norm is not None}
    skips = (config.residual, bool(extra) or (config.residual and not answers))
    return Block(Attention(cfg, attended, seen), mlp, norms, skips, config.norm == "post")


def _stored(config: TransformerConfig, block: Block, layer: int, widened: bool) -> Weights:
    d, mlp = config.d, block.mlp
    named = {name: getattr(block, name) for name in block.norms}
    norms = {f"{n}.{part}": getattr(norm, part) for n, norm in named.items() for part in "wb"}
    attended = cast(Attention, block.attn).stored()
    for name in ("W_Q", "W_K", "W_V"):
        if name in attended:
            attended[name] = attended[name][:, :d]
    for name in ("W_O", "b_O"):
        if name in attended:
            attended[name] = attended[name][..., :d]
    own = slice(None)
    if widened:
        own = slice(d, None) if config.answers_in_classes(layer) else slice(0, d)
    return {
        **norms,
        **attended,
        "W_in": mlp.W_in[:d],
        "b_in": mlp.b_in,
        "W_out": mlp.W_out[:, own],
        "b_out": mlp.b_out[own],
    }
