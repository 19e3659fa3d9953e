"""Checkpoints of the published counting code: transformer.pt with its script's arguments.

The state dict holds semantic_emb.weight, positional_emb.* (unused), token_mixer.Q and .K or
token_mixer.A, fc1.* and fc2.*; config.json holds T, seq_len, model_dim, p, attention_input,
no_softmax and dataset_type. Files are data: loaded with weights_only=True, never unpickled.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from models.counting import CountingConfig, Weights, check
from models.errors import MechprobeError
from models.hooked import HookedTransformer
from models.validation import validated

WEIGHTS_FILE = "transformer.pt"


class PublishedConfig(BaseModel):
    """The arguments of the published script that shape a model; others are ignored."""

    model_config = ConfigDict(strict=True)

    T: Annotated[int, Field(ge=2)]
    seq_len: Annotated[int, Field(ge=2)]
    model_dim: Annotated[int, Field(ge=2)]
    p: Annotated[int, Field(ge=1)]
    attention_input: Literal["only_sem", "linear"]
    no_softmax: bool
    dataset_type: Literal["backward", "backward_BOS"]


def load_published(path: Path, config: Mapping[str, Any]) -> HookedTransformer:
    """Read a checkpoint folder of the published counting code.

    Raises:
        MechprobeError: unsupported arguments, an unsafe or damaged file, weights that do not fit.
    """
    arguments = validated(PublishedConfig, dict(config), str(path / "config.json"))
    file = path / WEIGHTS_FILE
    state = _state_dict(file)
    mixing = (
        ("token_mixer.A",)
        if arguments.attention_input == "linear"
        else (
            "token_mixer.Q",
            "token_mixer.K",
        )
    )
    names = ("semantic_emb.weight", *mixing, "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    missing = [name for name in names if not _plain(state.get(name))]
    if missing:
        raise MechprobeError(f"{file}: {', '.join(missing)} missing from the state dict")
    unknown = [
        name for name in state if name not in names and not str(name).startswith("positional_emb.")
    ]
    if unknown:
        raise MechprobeError(f"{file}: {', '.join(map(str, unknown))} not known in these models")
    bos = arguments.dataset_type == "backward_BOS"
    length = arguments.seq_len
    weights: Weights = {
        "W_E": state["semantic_emb.weight"],
        "W_in": _turned(state["fc1.weight"]),
        "b_in": _filled(state["fc1.bias"], arguments.p),
        "W_out": _turned(state["fc2.weight"]),
        "b_out": state["fc2.bias"],
    }
    if arguments.attention_input == "linear":
        weights["W_mix"] = state["token_mixer.A"]
        # The matrix says how many positions there are; one of them is BOS's where there is one.
        length = weights["W_mix"].shape[0] - int(bos) if weights["W_mix"].ndim == 2 else length
        if length not in (arguments.seq_len, arguments.seq_len - int(bos)):
            raise MechprobeError(
                f"{file}: token_mixer.A has shape {tuple(weights['W_mix'].shape)},"
                f" seq_len={arguments.seq_len} wants {arguments.seq_len + int(bos)} rows"
            )
    else:
        weights |= {"W_Q": state["token_mixer.Q"], "W_K": state["token_mixer.K"]}
    fields = {
        "T": arguments.T,
        "L": length,
        "d": arguments.model_dim,
        "p": arguments.p,
        "mixing": "lin" if arguments.attention_input == "linear" else "dot",
        "softmax": not arguments.no_softmax,
        "bos": bos,
        # Some published models answer with more classes than seq_len + 1; never with fewer.
        "n_classes": max(arguments.seq_len + 1, *state["fc2.weight"].shape[:1]),
    }
    checked = CountingConfig.checked(fields, where=str(path / "config.json"))
    check(checked, weights, where=str(file))
    return HookedTransformer(checked, {n: w.contiguous() for n, w in weights.items()})


def _plain(value: object) -> bool:
    """Whether a tensor holds all of its numbers: dense, not nested, no view that repeats some."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_nested or value.is_meta)
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def _turned(weight: Tensor) -> Tensor:
    """Columns to rows; anything but a matrix is left for `check` to refuse."""
    return weight.T if weight.ndim == 2 else weight


def _filled(bias: Tensor, size: int) -> Tensor:
    """The published hand-built models keep one number for a whole bias; torch broadcasts it."""
    return bias.expand(size).clone() if bias.ndim == 0 else bias


def _state_dict(file: Path) -> dict[str, Any]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise MechprobeError(
            f"{file}: holds more than tensors and is not loaded; save a plain state dict"
        ) from None
    except Exception as error:  # a damaged or hostile file can fail anywhere in the reader
        reason = str(error).split("\n")[0] or type(error).__name__
        raise MechprobeError(f"{file}: not a whole torch file ({reason})") from None
    if not isinstance(state, dict):
        raise MechprobeError(f"{file}: holds a {type(state).__name__}, a state dict is wanted")
    return state
