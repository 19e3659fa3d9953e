"""From named tensors to one of our transformers: configuration and natural weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.mapped.mapping import Layout, NameMapping, Order
from mechprobe.models.families.foreign.mapped.names import Block, Found, Part
from mechprobe.models.families.foreign.mapped.oriented import (
    oriented,
    per_head,
    scaled,
    split,
    table,
    zeros_for,
)
from mechprobe.models.families.transformer import TransformerConfig

# Logit of count 0 where the model has no answer for it: no other is as low.
NEVER = -1e4


@dataclass(frozen=True)
class Choice:
    """What the tensors leave open, settled; see `NameMapping`."""

    heads: int = 1
    activation: str = "relu"
    norm: str = "none"
    causal: bool = False
    scale: float | None = None
    eps: float = 1e-5
    qkv_order: Order = "qkv head e"
    layout: Mapping[str, Layout] = field(default_factory=dict)


def translated(
    found: Found, mapping: NameMapping, description: TaskDescription, choice: Choice
) -> tuple[TransformerConfig, Weights]:
    """Configuration and weights in our words; also of tensors without numbers.

    Raises:
        MechprobeError: shapes that do not fit each other or the task, or a kind of model that
            the family does not have.
    """
    ids = description.ids()
    W_E = table(found.ends["embed"], "embed", int(ids.max()) + 1)
    d = W_E.shape[1]
    named: Weights = {"W_E": W_E[ids.to(W_E.device)] * mapping.embed_scale}
    if "pos_embed" in found.ends:
        named["W_pos"] = table(found.ends["pos_embed"], "pos_embed", description.n_ctx)
        named["W_pos"] = named["W_pos"][: description.n_ctx]
    blocks = [_block(block, mapping, d, choice) for block in found.blocks]
    for i, block in enumerate(blocks):
        named |= {f"blocks.{i}.{name}": weight for name, weight in block.items()}
    last = f"blocks.{len(blocks) - 1}."
    names = ("W_U", "b_U") if "unembed" in found.ends else (f"{last}W_out", f"{last}b_out")
    if "unembed" in found.ends:
        named |= _ending(found.ends, d, choice)
    for name in names:
        named[name] = _in_counts(named[name], description)
    config = _config(named, blocks, found, mapping, description, choice)
    return config, {name: weight.contiguous() for name, weight in named.items()}


def _config(
    named: Weights,
    blocks: list[Weights],
    found: Found,
    mapping: NameMapping,
    description: TaskDescription,
    choice: Choice,
) -> TransformerConfig:
    first, unembed = blocks[0], "W_U" in named
    values = "value-output" if "W_O" in first else ("value" if "W_V" in first else "raw")
    final = "ln_final.w" in named
    asked = None if description.task == "histogram" else description.task
    heads = len(first.get("W_mix", first.get("W_Q", first.get("W_V", named["W_E"][:1]))))
    fields = {
        "T": description.T,
        "L": description.L,
        "d": named["W_E"].shape[1],
        "p": first["W_in"].shape[1],
        "bos": description.bos is not None,
        "n_layers": len(blocks),
        "n_heads": heads,
        "d_head": first["W_Q"].shape[2] if "W_Q" in first else 0,
        "mixing": "lin" if "W_mix" in first else "dot",
        "softmax": mapping.softmax,
        "activation": choice.activation,
        "positions": "W_pos" in named,
        "norm": choice.norm,
        "final_norm": final if unembed and final != (choice.norm == "pre") else None,
        "residual": mapping.residual,
        "values": values,
        "readout": "unembed" if unembed else "classes",
        "biases": any(name[:3] in ("b_Q", "b_V", "b_O") for name in first),
        "eps": choice.eps,
        "causal": choice.causal,
        "sampler": description.sampler,
        "asked": asked,
    }
    if fields["d_head"] == 0:
        fields["d_head"] = first["W_O"].shape[1] if "W_O" in first else named["W_E"].shape[1]
    return TransformerConfig.checked(fields, "mapping")


def _block(block: Block, mapping: NameMapping, d: int, choice: Choice) -> Weights:
    heads = choice.heads
    named: Weights = {}
    named |= _norm(block, "ln1", d, choice.norm in ("pre", "post"))
    projections = _projections(block, d, choice)
    if "mix" in block:
        named["W_mix"] = _constant(block["mix"])
        heads = len(named["W_mix"])
    for role, (weight, _) in projections.items():
        named[f"W_{role.upper()}"] = per_head(weight, heads, role)
    if "W_Q" in named:
        factor = scaled(named["W_Q"].shape[2], choice.scale)
        named["W_Q"] = named["W_Q"] * factor
        biases = {role: bias for role, (_, bias) in projections.items()}
        biases["q"] = None if biases["q"] is None else biases["q"] * factor
    else:
        biases = {role: bias for role, (_, bias) in projections.items()}
    biases["o"] = _outputs(block, named, d, choice)
    if any(bias is not None for bias in biases.values()):
        for role, (weight, _) in projections.items():
            whole = zeros_for(biases[role], weight, weight.shape[1])
            named[f"b_{role.upper()}"] = per_head(whole, heads, role)
        if "W_O" in named:
            named["b_O"] = zeros_for(biases["o"], named["W_O"], d)
    named |= _norm(block, "ln2", d, choice.norm != "none")
    for name, role, width in (("in", "mlp_in", d), ("out", "mlp_out", 0)):
        part = block[role][0]
        weight = oriented(part, role, width or named["W_in"].shape[1], _lies(choice, role))
        named[f"W_{name}"] = weight
        named[f"b_{name}"] = zeros_for(part.bias, weight, weight.shape[1])
    return named


def _projections(block: Block, d: int, choice: Choice) -> dict[str, tuple[Tensor, Tensor | None]]:
    """Weights [d, heads * e] and biases of queries, keys and values, those that there are."""
    if "qkv" in block:
        part = block["qkv"][0]
        weight = oriented(part, "qkv", d, _lies(choice, "qkv"))
        weights = split(weight, choice.heads, choice.qkv_order, "qkv")
        biases: list[Tensor | None] = [None] * 3
        if part.bias is not None:
            biases = list(split(part.bias, choice.heads, choice.qkv_order, "the bias of qkv"))
        return dict(zip("qkv", zip(weights, biases, strict=True), strict=True))
    return {role: _joined(block[role], role, d, choice) for role in "qkv" if role in block}


def _joined(parts: list[Part], role: str, d: int, choice: Choice) -> tuple[Tensor, Tensor | None]:
    """A projection, that of several heads side by side."""
    weight = torch.cat([oriented(part, role, d, _lies(choice, role)) for part in parts], 1)
    biases = [part.bias for part in parts if part.bias is not None]
    return weight, torch.cat(biases) if len(biases) == len(parts) else None


def _outputs(block: Block, named: Weights, d: int, choice: Choice) -> Tensor | None:
    """Put W_O among the weights of a block, where there is one; give its bias."""
    if "o" in block:
        heads, e = named["W_V"].shape[0], named["W_V"].shape[2]
        part = block["o"][0]
        named["W_O"] = oriented(part, "o", heads * e, _lies(choice, "o")).reshape(heads, e, d)
        return part.bias
    if "W_V" in named and named["W_V"].shape[2] != d:
        # Heads side by side are the stream itself.
        heads, e = named["W_V"].shape[0], named["W_V"].shape[2]
        if heads * e != d:
            raise MechprobeError(
                f"mapping: v has {heads * e} outputs and there is no o; {d} are wanted, the width"
                " of the stream"
            )
        eye = torch.eye(d, dtype=named["W_V"].dtype, device=named["W_V"].device)
        named["W_O"] = eye.view(heads, e, d)
    return None


def _constant(parts: list[Part]) -> Tensor:
    stacked = torch.cat([part.weight.reshape(-1, *part.weight.shape[-2:]) for part in parts])
    return stacked


def _norm(block: Block, role: str, d: int, wanted: bool) -> Weights:
    """A norm that lies before or behind a layer; one without weights where none are named."""
    if not wanted:
        return {}
    if role in block:
        part = block[role][0]
        return {f"{role}.w": part.weight, f"{role}.b": zeros_for(part.bias, part.weight, d)}
    like = next(part.weight for parts in block.values() for part in parts)
    ones = torch.ones(d, dtype=like.dtype, device=like.device)
    return {f"{role}.w": ones, f"{role}.b": torch.zeros_like(ones)}


def _ending(ends: Mapping[str, Part], d: int, choice: Choice) -> Weights:
    named: Weights = {}
    if "ln_final" in ends:
        part = ends["ln_final"]
        named["ln_final.w"] = part.weight
        named["ln_final.b"] = zeros_for(part.bias, part.weight, d)
    part = ends["unembed"]
    named["W_U"] = oriented(part, "unembed", d, _lies(choice, "unembed"))
    named["b_U"] = zeros_for(part.bias, part.weight, named["W_U"].shape[1])
    return named


def _in_counts(weight: Tensor, description: TaskDescription) -> Tensor:
    """The columns of the answers that say counts 0 to L, in this order."""
    n = weight.shape[-1]
    if description.answers == "classes":
        if n <= description.L:
            raise MechprobeError(
                f"mapping: the model answers in {n} classes, counts 0 to {description.L} are wanted"
            )
        return weight[..., : description.L + 1]
    if any(len(ids) > 1 for ids in description.answers.values()):
        raise MechprobeError(
            "mapping: several ids answer one count, which no unembedding of ours does; give the"
            " module to mechprobe.wrap(module, task, hooks={...})"
        )
    ids = [description.answers[count][0] for count in range(1, description.L + 1)]
    if max(ids) >= n:
        raise MechprobeError(f"mapping: answer {max(ids)} is beyond the model's {n} answers")
    never = weight[..., :1] * 0 + (NEVER if weight.ndim == 1 else 0)
    return torch.cat([never, weight[..., ids]], -1)


def _lies(choice: Choice, role: str) -> Layout:
    return choice.layout.get(role, "out-in")
