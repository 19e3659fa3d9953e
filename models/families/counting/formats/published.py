"""Checkpoints of the published counting code: transformer.pt with its script's arguments.

The state dict holds semantic_emb.weight, positional_emb.* (unused), token_mixer.Q and .K or
token_mixer.A, fc1.* and fc2.*; config.json holds T, seq_len, model_dim, p, attention_input,
no_softmax and dataset_type.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import has, inside
from mechprobe.models.base.safe.torch_files import read_torch, wanted_tensors
from mechprobe.models.base.validation import validated
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.counting import CountingConfig, Weights, check
from mechprobe.models.hooked import HookedTransformer

WEIGHTS_FILE = "transformer.pt"
# What the code of the positional and semantic models does not have.
OWN_ARGUMENTS = ("no_softmax", "dataset_type")


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


@checkpoint_format(
    "counting",
    f"config.json with {' and '.join(OWN_ARGUMENTS)}, and {WEIGHTS_FILE}: the published code of"
    " Counting in Small Transformers (arXiv:2407.11542)",
)
class Counting:
    """The published counting code's."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the weights' file and arguments of its own."""
        own = any(name in config for name in OWN_ARGUMENTS)
        return has(folder, WEIGHTS_FILE) and (own or config.get("attention_input") == "linear")

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: unsupported arguments, an unsafe or damaged file, weights that do not
                fit.
        """
        where = str(folder / "config.json")
        arguments = validated(PublishedConfig, dict(config), where)
        file = inside(folder, WEIGHTS_FILE)
        state = read_torch(file, lambda header: _translated(arguments, header, file, where))
        return HookedTransformer(*_translated(arguments, state, file, where))


def _translated(
    arguments: PublishedConfig, state: Weights, file: Path, where: str
) -> tuple[CountingConfig, Weights]:
    """Configuration and weights in our words; also of a header, whose tensors hold no numbers."""
    linear = arguments.attention_input == "linear"
    mixing = ("token_mixer.A",) if linear else ("token_mixer.Q", "token_mixer.K")
    state = wanted_tensors(
        state,
        ("semantic_emb.weight", *mixing, "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"),
        "positional_emb.",
        file,
        "the published counting code",
    )
    bos = arguments.dataset_type == "backward_BOS"
    length = arguments.seq_len
    weights: Weights = {
        "W_E": state["semantic_emb.weight"],
        "W_in": turned(state["fc1.weight"]),
        "b_in": state["fc1.bias"],
        "W_out": turned(state["fc2.weight"]),
        "b_out": state["fc2.bias"],
    }
    if linear:
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
        "mixing": "lin" if linear else "dot",
        "softmax": not arguments.no_softmax,
        "bos": bos,
        # Some published models answer with more classes than seq_len + 1; never with fewer.
        "n_classes": max((arguments.seq_len + 1, *state["fc2.weight"].shape[:1])),
    }
    config = CountingConfig.checked(fields, where=where)
    if weights["b_in"].ndim == 0:
        # The published hand-built models keep one number for a whole bias; torch broadcasts it.
        # As far as W_in has columns: a size that only the configuration claims takes no memory.
        weights["b_in"] = weights["b_in"].expand(weights["W_in"].shape[-1:]).clone()
    check(config, weights, where=str(file))
    return config, {name: weight.contiguous() for name, weight in weights.items()}


def turned(weight: Tensor) -> Tensor:
    """Columns to rows; anything but a matrix is left for `check` to refuse."""
    return weight.T if weight.ndim == 2 else weight
