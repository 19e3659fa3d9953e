"""TransformerLens's `boot_native`: what it may be given, and its faults in our words."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.settled import settled

Size = Annotated[int, Field(ge=1, le=1_000_000)]


class NativeConfig(BaseModel):
    """The fields of TransformerLens's configuration that shape a model of its `boot_native`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    n_layers: Annotated[int, Field(ge=1, le=8)]
    d_model: Size
    n_ctx: Annotated[int, Field(ge=1, le=16_384)]
    d_head: Size
    n_heads: Size
    d_mlp: Size | None = None
    d_vocab: Annotated[int, Field(ge=1, le=10_000_000)]
    d_vocab_out: Annotated[int, Field(ge=-1, le=10_000_000)] = -1
    n_key_value_heads: Size | None = None
    act_fn: Literal["gelu", "gelu_new", "relu", "silu", "swish", "solu", "solu_ln"] = "gelu"
    attn_only: bool = False
    gated_mlp: bool = False
    attention_dir: Literal["bidirectional"]
    normalization_type: Literal["LN", "LNPre", "RMS", "RMSPre"] | None = None
    final_rms: bool = False
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    positional_embedding_type: Literal["standard"] = "standard"
    parallel_attn_mlp: Literal[False] = False
    use_attn_scale: bool = True
    attn_scale: Annotated[float, Field(ge=-1, le=1e6)] = -1.0
    attn_scores_soft_cap: Annotated[float, Field(ge=-1, le=-1)] = -1.0
    output_logits_soft_cap: Annotated[float, Field(ge=-1, le=-1)] = -1.0

    @model_validator(mode="after")
    def _says_its_activation(self) -> "NativeConfig":
        # Weights do not show it, and no default is right for all makers.
        if "act_fn" not in self.model_fields_set and not self.attn_only:
            raise ValueError("act_fn is missing; add the activation of the feed-forward layers")
        return self

    def fields(self) -> dict[str, JsonValue]:
        """As `booted` takes them, for weights that are to be loaded."""
        kept = self.model_dump(exclude_none=True)
        # None is a kind of normalisation there.
        return {**kept, "normalization_type": self.normalization_type, "init_weights": False}


@settled()
def booted(fields: Mapping[str, Any], device: str = "cpu") -> Any:
    """A `TransformerBridge` of TransformerLens's own kind of model.

    The caller's random numbers go on as if nothing had been drawn.

    Args:
        fields: as `TransformerBridge.boot_native` takes them.
        device: where its weights are made; "meta" makes none.

    Raises:
        MechprobeError: TransformerLens cannot build it.
    """
    # Importing the bridge takes long, and most who load checkpoints need none.
    from transformer_lens.model_bridge import TransformerBridge

    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return TransformerBridge.boot_native(dict(fields))
    except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        raise MechprobeError(
            f"TransformerLens cannot build this model ({short(error, 200)})"
        ) from None


def booted_shapes(fields: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight; blocks are alike, so that one is made, without numbers.

    Raises:
        MechprobeError: TransformerLens cannot build it.
    """
    one = booted({**fields, "n_layers": 1}, "meta").state_dict()
    layers = range(int(fields["n_layers"]))
    return {
        name.replace("blocks.0.", f"blocks.{layer}.", 1): tuple(weight.shape)
        for name, weight in one.items()
        for layer in (layers if name.startswith("blocks.0.") else range(1))
    }
