"""Names and shapes of a transformer's weights."""

from typing import Any


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, in the order they are drawn.

    Args:
        config: a `TransformerConfig`, which asks here how many numbers it has.
    """
    c = config
    named: dict[str, tuple[int, ...]] = {"W_E": (c.n_vocab, c.d)}
    if c.positions:
        named["W_pos"] = (c.n_ctx, c.d)
    for layer in range(c.n_layers):
        named |= {f"blocks.{layer}.{name}": shape for name, shape in _block(c, layer).items()}
    if c.readout == "unembed":
        if c.norms_last:
            named |= {"ln_final.w": (c.d,), "ln_final.b": (c.d,)}
        named |= {"W_U": (c.d, c.n_classes), "b_U": (c.n_classes,)}
    return named


def _block(c: Any, layer: int) -> dict[str, tuple[int, ...]]:
    h, d, e = c.n_heads, c.d, c.d_head
    out = c.n_classes if c.answers_in_classes(layer) else d
    dot, values, output = c.mixing == "dot", c.values != "raw", c.values == "value-output"
    named: dict[str, tuple[bool, tuple[int, ...]]] = {
        "ln1.w": (c.norm in ("pre", "post"), (d,)),
        "ln1.b": (c.norm in ("pre", "post"), (d,)),
        "W_Q": (dot, (h, d, e)),
        "W_K": (dot, (h, d, e)),
        "W_mix": (not dot, (h, c.n_ctx, c.n_ctx)),
        "W_V": (values, (h, d, c.d_value)),
        "W_O": (output, (h, e, d)),
        "b_Q": (dot and c.biases, (h, e)),
        "b_K": (dot and c.biases, (h, e)),
        "b_V": (values and c.biases, (h, c.d_value)),
        "b_O": (output and c.biases, (d,)),
        "ln2.w": (c.norm != "none", (d,)),
        "ln2.b": (c.norm != "none", (d,)),
        "W_in": (True, (d, c.p)),
        "b_in": (True, (c.p,)),
        "W_out": (True, (c.p, out)),
        "b_out": (True, (out,)),
    }
    return {name: shape for name, (held, shape) in named.items() if held}
