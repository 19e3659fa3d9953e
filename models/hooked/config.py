"""Sizes and kinds of a hooked model, under the names that TransformerLens's utilities ask for."""

from dataclasses import dataclass

import torch


@dataclass
class HookedConfig:
    """What TransformerLens's utilities ask of a model's `cfg`.

    `d_model` is the width of the residual stream of this view; `d_vocab` counts input tokens in
    the natural view and classes in the widened one (where W_U lives in the residual stream).
    `d_value` is the width of a value, d_head that of a query. A model without attention leaves
    out what speaks of heads, and has n_heads=0; what mixes its positions says the rest itself
    (`HookedTransformer.mixers`).
    """

    d_model: int
    d_mlp: int
    d_vocab: int
    d_vocab_out: int
    n_ctx: int
    dtype: torch.dtype
    widened: bool = False
    d_head: int = 0
    d_value: int = 0
    attn_scale: float = 1.0
    softmax: bool = False
    device: str = "cpu"
    n_layers: int = 1
    n_heads: int = 1
    n_key_value_heads: int | None = None
    attn_only: bool = False
    normalization_type: str | None = None
    act_fn: str = "relu"
    # Scores are a learned constant matrix; there are no queries and keys.
    constant_mixing: bool = False
    # The model has positional encodings.
    positions: bool = False
    # A position sees itself and those before it alone.
    causal: bool = False
    # The order of a sequence matters, in a way that nothing else here tells.
    ordered: bool = False

    @property
    def knows_positions(self) -> bool:
        """Whether what a position computes depends on where it stands: by encodings, because a mask
        shows it more or fewer others, or in a way of its own."""
        return self.positions or self.causal or self.ordered
