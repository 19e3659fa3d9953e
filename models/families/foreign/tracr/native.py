"""A compiled program as a model of TransformerLens's `boot_native`, behind our hooks.

Every layer of tracr's is one of a standard transformer: softmax of q k^T / sqrt(key_size), residual
stream, relu, no norm, learned positions. Weights are carried over as they are. What is made here is
the read-out:

- a categorical output: tracr takes the argmax over the directions of its values; so do we, of
  those that are counts 1 to L;
- a numerical output x, a number along one direction of the stream: the logit of count c is
  2 c x - c^2 for c = 0 to L. That is -(x - c)^2 without the part that is the same for all c, so
  that the argmax is the count nearest to x, which is x rounded and kept within 0 to L.
"""

import torch

from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights, check_weights
from mechprobe.models.families.foreign.booting import NativeConfig
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.tracr.description import TracrDescription
from mechprobe.models.hooked import FAMILIES, HookedTransformer

LINEARS = {
    "attn.q": "attn/query",
    "attn.k": "attn/key",
    "attn.v": "attn/value",
    "attn.o": "attn/linear",
    "mlp.in": "mlp/linear_1",
    "mlp.out": "mlp/linear_2",
}


def checked_config(description: TracrDescription, where: str) -> ForeignConfig:
    """The configuration of the model that a compiled program becomes.

    Raises:
        MechprobeError: it has more blocks than are read, or is too large to be tried.
    """
    answers = description.answers
    native = {
        "n_layers": description.num_layers,
        "n_heads": description.num_heads,
        "d_head": description.key_size,
        "d_model": len(description.residual_labels),
        "d_mlp": description.mlp_hidden_size,
        "n_ctx": description.max_seq_len + 1,
        "d_vocab": len(description.tokens),
        "d_vocab_out": (
            description.max_seq_len + 1 if description.outputs is None else len(description.outputs)
        ),
        "act_fn": description.activation,
        "attention_dir": "bidirectional",
        "normalization_type": None,
    }
    task = {
        "L": description.max_seq_len,
        "tokens": description.ids,
        "bos": description.bos_id,
        "answers": "classes" if answers is None else answers,
    }
    asked = TaskDescription.checked(task, where)
    config: ForeignConfig = FAMILIES["foreign"].config(
        ForeignConfig.of(validated(NativeConfig, native, where), asked).model_dump(), where
    )
    return config


def check(description: TracrDescription, weights: Weights, where: str = "weights") -> None:
    """Compare weights with a description.

    Raises:
        MechprobeError: as `check_weights`.
    """
    sizes = (
        f"num_layers={description.num_layers}, num_heads={description.num_heads},"
        f" key_size={description.key_size}, {len(description.residual_labels)} residual_labels"
    )
    check_weights(description.shapes, weights, where, "tracr", sizes)


def model_of(
    description: TracrDescription, weights: Weights, where: str = "a compiled program"
) -> HookedTransformer:
    """A compiled program as a hooked model that counts.

    Args:
        description: its sizes and encoders.
        weights: named as `description.shapes` says.
        where: for messages.

    Raises:
        MechprobeError: the weights do not fit, or the model cannot be read through its hooks.
    """
    config = checked_config(description, where)
    check(description, weights, where)
    model: HookedTransformer = FAMILIES["foreign"].assemble(config, _native(description, weights))
    return model


def _native(description: TracrDescription, weights: Weights) -> Weights:
    """The state dict of `boot_native`, whose linear layers hold [out, in]."""
    found = {
        "embed.weight": weights["token_embed.embeddings"],
        "pos_embed.weight": weights["pos_embed.embeddings"],
    }
    for layer in range(description.num_layers):
        for ours, theirs in LINEARS.items():
            stem = f"transformer/layer_{layer}/{theirs}"
            found[f"blocks.{layer}.{ours}.weight"] = weights[f"{stem}.w"].T.contiguous()
            found[f"blocks.{layer}.{ours}.bias"] = weights[f"{stem}.b"]
    read = weights["unembed.w"]
    if description.outputs is None:
        counts = torch.arange(description.max_seq_len + 1, dtype=read.dtype, device=read.device)
        found["unembed.weight"] = 2 * counts.unsqueeze(1) * read.T
        found["unembed.bias"] = -counts.square()
    else:
        found["unembed.weight"] = read.T.contiguous()
        found["unembed.bias"] = read.new_zeros(read.shape[1])
    return found
