"""Forward pass of a transformer that counts, plain torch (docs/transformers.md).

Equations of arXiv:2407.11542, section 2, and arXiv:2402.03902, section 3, and of a standard
pre-norm transformer; which, says the configuration.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from models.transformer.config import TransformerConfig
from models.transformer.ops import narrow, softmax
from models.transformer.weights import Weights, halves

EPS = 1e-5  # of LayerNorm, as published and as torch has it
Projection = Callable[[str], Tensor]


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
    """Logits of a model; differentiable in the weights, once."""
    w, masks, seen = weights, halves(config), None
    tables = [w["W_E"]] + ([w["W_pos"][: tokens.shape[1]]] if config.positions else [])
    if masks is not None:
        tables = [table * mask for table, mask in zip(tables, masks, strict=False)]
        seen = masks[2]
    x = _looked_up(tokens, tables)
    for layer in range(config.n_layers):
        block = f"blocks.{layer}."
        own = {name.removeprefix(block): v for name, v in w.items() if name.startswith(block)}
        read = normed(x, own, "ln1")
        if layer == 0 and config.norm != "pre" and sum(map(len, tables)) < tokens.numel():
            # The stream is a sum of table rows still: fewer of them are projected.
            project = partial(_projected_tables, own, seen, tokens, tables)
        else:
            project = partial(_projected, own, seen, read)
        attended = attention(config, own, read, project)
        mid = x + attended if config.residual else attended
        returned = feed_forward(config, own, normed(mid, own, "ln2"))
        skips = config.residual and not config.answers_in_classes(layer)
        x = mid + returned if skips else returned
    if config.readout == "unembed":
        x = narrow(normed(x, w, "ln_final"), w["W_U"], w["b_U"])
    return x


def normed(x: Float[Tensor, "*batch d"], w: Weights, name: str) -> Float[Tensor, "*batch d"]:
    """LayerNorm, where there is one of this name."""
    if f"{name}.w" not in w:
        return x
    return functional.layer_norm(x, x.shape[-1:], w[f"{name}.w"], w[f"{name}.b"], EPS)


def attention(
    config: TransformerConfig, w: Weights, x: Float[Tensor, "batch pos d"], project: Projection
) -> Float[Tensor, "batch pos d"]:
    """Sum of what the heads write.

    Args:
        config: shape and kind.
        w: weights of the block.
        x: the stream, normed where a norm comes first.
        project: gives queries "Q", keys "K" and values "V" [batch, head, pos, width].
    """
    if config.mixing == "lin":
        scores = w["W_mix"].expand(x.shape[0], -1, -1, -1)
    else:
        scores = (project("Q") / config.d_head**0.5) @ project("K").mT
    pattern = softmax(scores) if config.softmax else scores
    z = pattern @ (project("V") if "W_V" in w else x.unsqueeze(1))
    if "W_O" in w:
        joined = z.transpose(1, 2).flatten(2)
        return functional.linear(joined, w["W_O"].flatten(0, 1).T, w.get("b_O"))
    return z.sum(1) if config.n_heads > 1 else z.squeeze(1)


def feed_forward(
    config: TransformerConfig, w: Weights, x: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch out"]:
    """act(x W_in + b_in) W_out + b_out."""
    hidden = activation_of(config.activation)(functional.linear(x, w["W_in"].T, w["b_in"]))
    return narrow(hidden, w["W_out"], w["b_out"])


def _looked_up(tokens: Tensor, tables: list[Tensor]) -> Tensor:
    """Rows of tokens, plus those of positions where there are."""
    rows = functional.embedding(tokens, tables[0])
    return rows if len(tables) == 1 else rows + tables[1]


def _projected(w: Weights, seen: Bool[Tensor, " d"] | None, x: Tensor, kind: str) -> Tensor:
    visible = x if seen is None or kind == "V" else x * seen
    return _per_head(functional.linear(visible, *_flat(w, kind)), w[f"W_{kind}"])


def _projected_tables(
    w: Weights, seen: Bool[Tensor, " d"] | None, tokens: Tensor, tables: list[Tensor], kind: str
) -> Tensor:
    W, b = _flat(w, kind)
    visible = tables if seen is None or kind == "V" else [table * seen for table in tables]
    # The bias counts once.
    rows = [functional.linear(t, W, None if i else b) for i, t in enumerate(visible)]
    return _per_head(_looked_up(tokens, rows), w[f"W_{kind}"])


def _flat(w: Weights, kind: str) -> tuple[Tensor, Tensor | None]:
    """Weights and biases of all heads side by side, for one product."""
    b = w.get(f"b_{kind}")
    W = w[f"W_{kind}"].transpose(0, 1).flatten(1).T
    return W, None if b is None else b.flatten()


def _per_head(
    flat: Float[Tensor, "batch pos e_of_all"], W: Float[Tensor, "head d e"]
) -> Float[Tensor, "batch head pos e"]:
    return flat.view(*flat.shape[:2], W.shape[0], W.shape[2]).transpose(1, 2)
