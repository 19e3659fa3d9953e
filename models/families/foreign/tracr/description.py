"""What a compiled program is besides its weights: sizes, directions of its stream, its encoders."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.validation import known_version, validated

VERSION = 1  # of the files that are written
# What RASP calls a value, as far as JSON has it.
Value = Annotated[int | float | str | bool, Field(union_mode="smart")]
Size = Annotated[int, Field(ge=1, le=1_000_000)]


class TracrDescription(BaseModel):
    """A model of tracr's `compile_rasp_to_model`, in tracr's own words.

    Attributes:
        version: of this format.
        num_layers, num_heads, key_size, mlp_hidden_size: of its `model_config`.
        activation, layer_norm, causal: of its `model_config` too.
        max_seq_len: most tokens of a sequence, BOS not counted.
        residual_labels: name of each direction of the residual stream.
        tokens: what the input encoder turns into the ids 0, 1, ...
        bos, pad: which of them is BOS, which stands first, and which is padding, never used.
        outputs: values of a categorical output, in the order of its logits; None where the output
            is numerical, a number along one direction of the stream.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int = VERSION
    num_layers: Size
    num_heads: Size
    key_size: Size
    mlp_hidden_size: Size
    activation: Literal["relu"]
    layer_norm: Literal[False]
    causal: Literal[False]
    max_seq_len: Annotated[int, Field(ge=2, le=10_000)]
    residual_labels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    tokens: Annotated[tuple[Value, ...], Field(min_length=2, strict=False)]
    bos: Value
    pad: Value | None = None
    outputs: Annotated[tuple[Value, ...], Field(strict=False)] | None

    @model_validator(mode="after")
    def _makes_sense(self) -> "TracrDescription":
        known_version(self.version, VERSION)
        if len(set(self.tokens)) < len(self.tokens):
            raise ValueError("tokens: one stands there twice")
        if self.bos not in self.tokens:
            raise ValueError(f"bos: {short(self.bos)} is none of the tokens")
        lacking = [count for count, ids in (self.answers or {}).items() if not ids]
        if lacking:
            raise ValueError(
                f"outputs: count {lacking[0]} is missing; a program that counts sequences of"
                f" {self.max_seq_len} tokens has 1 to {self.max_seq_len}"
            )
        return self

    @classmethod
    def checked(cls, data: object, where: str = "tracr description") -> "TracrDescription":
        """Validate outside data.

        Raises:
            MechprobeError: with the faults in one line; the model is none that counts.
        """
        if isinstance(data, dict) and data.get("causal") is True:
            raise MechprobeError(
                f"{where}: the program is compiled with causal=True: a position that does not see"
                " those after it cannot count; compile it with causal=False"
            )
        return validated(cls, data, where)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the tokens that are counted: all but BOS and padding."""
        return tuple(i for i, token in enumerate(self.tokens) if token not in (self.bos, self.pad))

    @property
    def bos_id(self) -> int:
        """The id of BOS."""
        return self.tokens.index(self.bos)

    @property
    def answers(self) -> dict[int, tuple[int, ...]] | None:
        """Which logits say each count 1 to `max_seq_len`; None where the output is numerical."""
        if self.outputs is None:
            return None
        found: dict[int, list[int]] = {count: [] for count in range(1, self.max_seq_len + 1)}
        for i, value in enumerate(self.outputs):
            if (count := _count(value)) in found:
                found[count].append(i)
        return {count: tuple(ids) for count, ids in found.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight: "MODULE.PARAMETER" as in tracr's `params`, and
        "unembed.w", what the output is read with."""
        d, heads = len(self.residual_labels), self.num_heads * self.key_size
        linears = {
            **dict.fromkeys(("attn/query", "attn/key", "attn/value"), (d, heads)),
            "attn/linear": (heads, d),
            "mlp/linear_1": (d, self.mlp_hidden_size),
            "mlp/linear_2": (self.mlp_hidden_size, d),
        }
        found: dict[str, tuple[int, ...]] = {
            "token_embed.embeddings": (len(self.tokens), d),
            "pos_embed.embeddings": (self.max_seq_len + 1, d),
        }
        for layer in range(self.num_layers):
            for name, (into, out) in linears.items():
                found[f"transformer/layer_{layer}/{name}.w"] = (into, out)
                found[f"transformer/layer_{layer}/{name}.b"] = (out,)
        found["unembed.w"] = (d, 1 if self.outputs is None else len(self.outputs))
        return found


def _count(value: Value) -> int | None:
    """The whole number that an output value is; None where it is none, as True is."""
    if isinstance(value, bool | str):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None
