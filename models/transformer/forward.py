"""Forward pass of a transformer that counts, plain torch (docs/transformers.md).

Equations of arXiv:2407.11542, section 2, and arXiv:2402.03902, section 3, and of a standard
pre-norm transformer; which, says the configuration.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from models.transformer.config import TransformerConfig
from models.transformer.weights import Weights, halves

EPS = 1e-5  # of LayerNorm, as published and as torch has it


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """The function of that name; "gelu" is the exact one."""
    named: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "gelu": functional.gelu,
        "identity": lambda x: x,
    }
    return named[name]


def forward(
    config: TransformerConfig, weights: Weights, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch pos classes"]:
    """Logits of a model; differentiable in the weights."""
    w, masks = weights, halves(config)
    table = w["W_E"] if masks is None else w["W_E"] * masks[0]
    x = functional.embedding(tokens, table)
    if config.positions:
        places = w["W_pos"] if masks is None else w["W_pos"] * masks[1]
        x = x + places[: tokens.shape[1]]
    seen = None if masks is None else masks[2]
    for layer in range(config.n_layers):
        block = f"blocks.{layer}."
        own = {name.removeprefix(block): v for name, v in w.items() if name.startswith(block)}
        attended = attention(config, own, normed(x, own, "ln1"), seen)
        mid = x + attended if config.residual else attended
        returned = feed_forward(config, own, normed(mid, own, "ln2"))
        skips = config.residual and not config.answers_in_classes(layer)
        x = mid + returned if skips else returned
    if config.readout == "unembed":
        x = functional.linear(normed(x, w, "ln_final"), w["W_U"].T, w["b_U"])
    return x


def normed(x: Float[Tensor, "*batch d"], w: Weights, name: str) -> Float[Tensor, "*batch d"]:
    """LayerNorm, where there is one of this name."""
    if f"{name}.w" not in w:
        return x
    return functional.layer_norm(x, x.shape[-1:], w[f"{name}.w"], w[f"{name}.b"], EPS)


def attention(
    config: TransformerConfig, w: Weights, x: Float[Tensor, "batch pos d"], seen: Tensor | None
) -> Float[Tensor, "batch pos d"]:
    """Sum of what the heads write; `seen` are the coordinates that queries and keys see."""
    if config.mixing == "lin":
        scores = w["W_mix"].expand(x.shape[0], -1, -1, -1)
    else:
        visible = x if seen is None else x * seen
        query, key = (_heads(visible, w[f"W_{n}"], w.get(f"b_{n}")) for n in "QK")
        # The smaller factor is scaled: queries, not scores.
        scores = (query / config.d_head**0.5) @ key.mT
    pattern = scores.softmax(-1) if config.softmax else scores
    value = x.unsqueeze(1) if "W_V" not in w else _heads(x, w["W_V"], w.get("b_V"))
    z = pattern @ value
    if "W_O" not in w:
        return z.sum(1)
    return functional.linear(z.transpose(1, 2).flatten(2), w["W_O"].flatten(0, 1).T, w.get("b_O"))


def feed_forward(
    config: TransformerConfig, w: Weights, x: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch out"]:
    """act(x W_in + b_in) W_out + b_out."""
    hidden = functional.linear(x, w["W_in"].T, w["b_in"])
    return functional.linear(activation_of(config.activation)(hidden), w["W_out"].T, w["b_out"])


def _heads(
    x: Float[Tensor, "batch pos d"], W: Float[Tensor, "head d e"], b: Tensor | None
) -> Float[Tensor, "batch head pos e"]:
    # One product for all heads.
    flat = functional.linear(x, W.transpose(0, 1).flatten(1).T, None if b is None else b.flatten())
    return flat.view(*x.shape[:2], W.shape[0], W.shape[2]).transpose(1, 2)
