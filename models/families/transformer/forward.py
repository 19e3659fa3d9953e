"""Forward pass of a transformer that counts, plain torch (docs/families/transformers.md).

Equations of arXiv:2407.11542, section 2, and arXiv:2402.03902, section 3, and of a standard
pre-norm transformer; which, says the configuration.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from mechprobe.models.families.transformer.config import EPS as EPS
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.weights import Weights, halves
from mechprobe.models.tasks.inputs import Tokens


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """The function of that name; "gelu" is the exact one."""
    named: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "gelu": functional.gelu,
        "gelu-tanh": gelu_tanh,
        "silu": functional.silu,
        "tanh": torch.tanh,
        "identity": lambda x: x,
    }
    return named[name]


def forward(
    config: TransformerConfig, weights: Weights, tokens: Any
) -> Float[Tensor, "batch pos classes"]:
    """Logits of a model to token ids [batch, pos]; differentiable in the weights.

    Raises:
        MechprobeError: tokens of another length, or an id that is none.
    """
    tokens = Tokens(config.n_ctx, config.n_vocab).checked(tokens)
    w, masks, seen = weights, halves(config), None
    tables = [w["W_E"]] + ([w["W_pos"][: tokens.shape[1]]] if config.positions else [])
    if masks is not None:
        tables = [table * mask for table, mask in zip(tables, masks, strict=False)]
        seen = masks[2]
    x = functional.embedding(tokens, tables[0])
    if config.positions:
        x = x + tables[1]
    for layer in range(config.n_layers):
        block = f"blocks.{layer}."
        own = {name.removeprefix(block): v for name, v in w.items() if name.startswith(block)}
        post = config.norm == "post"
        norm = partial(normed, w=own, eps=config.eps)
        attended = attention(config, own, x if post else norm(x, name="ln1"), seen)
        mid = x + attended if config.residual else attended
        mid = norm(mid, name="ln1") if post else mid
        returned = feed_forward(config, own, mid if post else norm(mid, name="ln2"))
        skips = config.residual and not config.answers_in_classes(layer)
        x = mid + returned if skips else returned
        x = norm(x, name="ln2") if post else x
    if config.readout == "unembed":
        x = normed(x, w, "ln_final", config.eps) @ w["W_U"] + w["b_U"]
    return x


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its approximation, as GPT-2 has it."""
    return functional.gelu(x, approximate="tanh")


def normed(
    x: Float[Tensor, "*batch d"], w: Weights, name: str, eps: float = EPS
) -> Float[Tensor, "*batch d"]:
    """LayerNorm, where there is one of this name."""
    if f"{name}.w" not in w:
        return x
    return functional.layer_norm(x, x.shape[-1:], w[f"{name}.w"], w[f"{name}.b"], eps)


def attention(
    config: TransformerConfig,
    w: Weights,
    x: Float[Tensor, "batch pos d"],
    seen: Bool[Tensor, " d"] | None = None,
) -> Float[Tensor, "batch pos d"]:
    """Sum of what the heads write.

    Args:
        config: shape and kind.
        w: weights of the block.
        x: the stream, normed where a norm comes first.
        seen: coordinates that queries and keys see; all where left out.
    """
    visible = x if seen is None else x * seen
    if config.mixing == "lin":
        scores = w["W_mix"].expand(x.shape[0], -1, -1, -1)
    else:
        query, key = projected(w, visible, "Q"), projected(w, visible, "K")
        scores = query @ key.mT / config.d_head**0.5
    if config.causal:
        hidden = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, -torch.inf if config.softmax else 0.0)
    pattern = scores.softmax(-1) if config.softmax else scores
    z = pattern @ (projected(w, x, "V") if "W_V" in w else x.unsqueeze(1))
    if "W_O" in w:
        joined = z.transpose(1, 2).flatten(2)
        return functional.linear(joined, w["W_O"].flatten(0, 1).T, w.get("b_O"))
    return z.sum(1)


def projected(
    w: Weights, x: Float[Tensor, "batch pos d"], kind: str
) -> Float[Tensor, "batch head pos e"]:
    """Queries "Q", keys "K" or values "V"; of all heads by one product."""
    W, b = w[f"W_{kind}"], w.get(f"b_{kind}")
    side_by_side = W.transpose(0, 1).flatten(1).T
    flat = functional.linear(x, side_by_side, None if b is None else b.flatten())
    return flat.view(*flat.shape[:2], W.shape[0], W.shape[2]).transpose(1, 2)


def feed_forward(
    config: TransformerConfig, w: Weights, x: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch out"]:
    """act(x W_in + b_in) W_out + b_out."""
    hidden = activation_of(config.activation)(x @ w["W_in"] + w["b_in"])
    return hidden @ w["W_out"] + w["b_out"]
