"""Checkpoints of the published positional and semantic counting code (arXiv:2402.03902,
section 3): transformer.pt with its script's arguments.

The state dict holds semantic_emb.weight, positional_emb.embedding.weight and positional_emb.pe,
attention.Q, .K and .V, norm.*, fc1.* and fc2.*; config.json holds T, seq_len, model_dim, p and
attention_input.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import has, inside
from mechprobe.models.base.safe.torch_files import read_torch, wanted_tensors
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.counting.formats.published import turned
from mechprobe.models.families.transformer import TransformerConfig, check
from mechprobe.models.hooked import HookedTransformer

WEIGHTS_FILE = "transformer.pt"
PLACES = "positional_emb.pe"
# Theirs, and ours; the weights of torch's linear layers are turned, attention's are not.
ATTENTION = {f"attention.{name}": f"blocks.0.W_{name}" for name in "QKV"}
OTHERS = {
    "norm.weight": "blocks.0.ln2.w",
    "norm.bias": "blocks.0.ln2.b",
    "fc1.weight": "blocks.0.W_in",
    "fc1.bias": "blocks.0.b_in",
    "fc2.weight": "blocks.0.W_out",
    "fc2.bias": "blocks.0.b_out",
}
EMBEDDINGS = ("semantic_emb.weight", "positional_emb.embedding.weight", PLACES)
WANTED = (*EMBEDDINGS, *ATTENTION, *OTHERS)


class PublishedConfig(BaseModel):
    """The arguments of the published script that shape a model; others are ignored."""

    model_config = ConfigDict(strict=True)

    T: Annotated[int, Field(ge=2)]
    seq_len: Annotated[int, Field(ge=2)]
    model_dim: Annotated[int, Field(ge=2)]
    p: Annotated[int, Field(ge=1)]
    attention_input: Literal["only_sem", "only_pos", "both"]


@checkpoint_format(
    "positional-semantic",
    f"config.json with attention_input and without no_softmax, and {WEIGHTS_FILE}: the published"
    " code of the positional and semantic counting models (arXiv:2402.03902, section 3)",
)
class PositionalSemantic:
    """The published positional and semantic code's."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the weights' file; the counting code's configuration says more."""
        own = not {"no_softmax", "dataset_type"} & config.keys()
        return has(folder, WEIGHTS_FILE) and own and config.get("attention_input") != "linear"

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: unsupported arguments, an unsafe or damaged file, weights that do not
                fit.
        """
        where = str(folder / "config.json")
        if not config:
            raise MechprobeError(
                f"{folder}: no config.json beside {WEIGHTS_FILE}; it holds the script's arguments"
                " (docs/checkpoints.md)"
            )
        arguments = validated(PublishedConfig, dict(config), where)
        file = inside(folder, WEIGHTS_FILE)
        state = read_torch(file, lambda header: _translated(arguments, header, file, where))
        return HookedTransformer(*_translated(arguments, state, file, where))


def _translated(
    arguments: PublishedConfig, state: Weights, file: Path, where: str
) -> tuple[TransformerConfig, Weights]:
    """Configuration and weights in our words; also of a header, whose tensors hold no numbers."""
    if any(name.startswith("token_mixer.") for name in state):
        raise MechprobeError(
            f"{file}: token_mixer.* is of the published counting code, whose config.json has"
            " no_softmax and dataset_type; add them"
        )
    state = wanted_tensors(state, WANTED, "", file, "the published positional and semantic code")
    fields = {
        "T": arguments.T,
        "L": arguments.seq_len,
        "d": arguments.model_dim,
        "p": arguments.p,
        "positions": True,
        "norm": "mlp",
        "residual": False,
        "values": "value",
        "attends": arguments.attention_input,
        "sampler": "uniform",
        # As in the counting code's models: more classes than counts, never fewer.
        "n_classes": max((arguments.seq_len + 1, *state["fc2.weight"].shape[:1])),
    }
    config = TransformerConfig.checked(fields, where=where)
    tokens, positions, places = (state[name] for name in EMBEDDINGS)
    weights = {
        "W_E": tokens,
        "W_pos": positions,
        **{ours: state[theirs].unsqueeze(0) for theirs, ours in ATTENTION.items()},
        **{ours: turned(state[theirs]) for theirs, ours in OTHERS.items()},
    }
    check(config, weights, where=str(file))
    weights["W_pos"] = positions[_order(places, config.L, file)]
    if arguments.attention_input != "both":
        # Tokens live in the first half of the coordinates, positions in the second; what the
        # file holds in the other half is never seen.
        half = config.d // 2
        weights["W_E"] = torch.cat([tokens[:, :half], torch.zeros_like(tokens[:, half:])], 1)
        other = weights["W_pos"]
        weights["W_pos"] = torch.cat([torch.zeros_like(other[:, :half]), other[:, half:]], 1)
    return config, {name: weight.contiguous() for name, weight in weights.items()}


def _order(places: Tensor, L: int, file: Path) -> Tensor:
    """Which row of the positional embedding each position takes, [L]."""
    floats = places.is_floating_point()
    if places.numel() != L or places.shape[-1] != L or not (floats or _whole(places)):
        raise MechprobeError(
            f"{file}: {PLACES} has shape {tuple(places.shape)} and type {places.dtype}; the"
            f" numbers of {L} positions are wanted"
        )
    order = places.flatten()
    if places.is_meta:
        return torch.empty(L, dtype=torch.int64, device="meta")
    if not (
        order.isfinite().all() and ((order >= 0) & (order < L) & (order == order.floor())).all()
    ):
        raise MechprobeError(f"{file}: {PLACES} holds numbers that are no positions 0..{L - 1}")
    return order.long()


def _whole(places: Tensor) -> bool:
    return places.dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
