"""Shape and kind of a transformer that counts: depth, heads, positions, norms, read-out."""

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from mechprobe.models.families.counting import CountingConfig
from mechprobe.models.families.transformer.shapes import shapes as shapes
from mechprobe.models.tasks import AskedConfig, HistogramTask
from mechprobe.models.tasks.histogram import Sampler

LARGEST = 50_000_000  # weights: 200 MB in single precision
EPS = 1e-5  # of LayerNorm, as published and as torch has it
Activation = Literal["relu", "gelu", "gelu-tanh", "silu", "tanh", "identity"]


class TransformerConfig(AskedConfig):
    """Transformer for the histogram task; docs/families/transformers.md has its equations.

    Attributes:
        T: alphabet size (at least 2).
        L: sequence length without BOS (at least 2).
        d: width of the embeddings and of the residual stream (at least 2).
        p: hidden neurons of each feed-forward layer (at least 1).
        bos: whether token id T is prepended.
        n_layers: blocks.
        n_heads: attention heads of each block.
        d_head: width of queries and keys, and of values under "value-output"; d / n_heads unless
            given.
        mixing: "dot" (scores of queries and keys) or "lin" (a learned constant matrix a head).
        softmax: whether the mixing scores pass a softmax over the keys.
        activation: of the feed-forward layers; "gelu" is the exact one, "gelu-tanh" its
            approximation by tanh.
        positions: learned positional embeddings W_pos, added to those of the tokens.
        norm: LayerNorm "none"; "pre": before attention, feed-forward and unembedding; "post": of
            the stream after attention and after feed-forward; "mlp": before the feed-forward alone.
        final_norm: whether there is a LayerNorm before the unembedding; as `norm` has it unless
            given.
        eps: of every LayerNorm.
        causal: positions see themselves and those before them alone.
        residual: skips around attention and around feed-forward layers that return to d.
        values: "raw" (the stream itself), "value" (W_V [d, d]) or "value-output" (W_V, W_O).
        readout: "classes" (the last feed-forward answers) or "unembed" (W_U, b_U do).
        biases: b_Q, b_K, b_V, b_O, each where its matrix is.
        attends: what queries and keys see. With "only_sem" and "only_pos" tokens live in the first
            half of the coordinates and positions in the second, and one half is seen.
        sampler: distribution of the model's task.
        n_classes: width of the answer; L + 1 unless a checkpoint stores more.
        asked: the task in place of counting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Literal["transformer"] = "transformer"
    T: Annotated[int, Field(ge=2, le=100_000)]
    L: Annotated[int, Field(ge=2, le=1_000)]
    d: Annotated[int, Field(ge=2, le=10_000)]
    p: Annotated[int, Field(ge=1, le=100_000)]
    bos: bool = False
    n_layers: Annotated[int, Field(ge=1, le=16)] = 1
    n_heads: Annotated[int, Field(ge=1, le=64)] = 1
    d_head: Annotated[int, Field(ge=0, le=10_000)] = 0
    mixing: Literal["dot", "lin"] = "dot"
    softmax: bool = True
    activation: Activation = "relu"
    positions: bool = False
    norm: Literal["none", "pre", "post", "mlp"] = "none"
    residual: bool = True
    values: Literal["raw", "value", "value-output"] = "raw"
    readout: Literal["classes", "unembed"] = "classes"
    biases: bool = False
    attends: Literal["both", "only_sem", "only_pos"] = "both"
    sampler: Sampler = "partition"
    n_classes: Annotated[int, Field(ge=0, le=100_000)] = 0
    # Left out of JSON where usual, so that models keep the fingerprints that they had before.
    final_norm: bool | None = Field(default=None, exclude_if=lambda value: value is None)
    eps: Annotated[float, Field(gt=0, lt=1)] = Field(default=EPS, exclude_if=lambda e: e == EPS)
    causal: bool = Field(default=False, exclude_if=lambda value: not value)

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        if not data.get("n_classes") and isinstance(data.get("L"), int):
            filled["n_classes"] = data["L"] + 1
        d, heads = data.get("d"), data.get("n_heads", 1)
        if not data.get("d_head") and isinstance(d, int) and isinstance(heads, int) and heads > 0:
            if d % heads:
                raise ValueError(f"d={d} is no multiple of n_heads={heads}; give d_head")
            filled["d_head"] = d // heads
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> "TransformerConfig":
        if self.n_classes < self.L + 1:
            raise ValueError(f"n_classes={self.n_classes} is less than L+1={self.L + 1}")
        if self.final_norm is not None and self.readout != "unembed":
            raise ValueError('final_norm stands before an unembedding; readout is "classes"')
        if self.norm == "post" and self.readout != "unembed":
            raise ValueError('norm "post" needs readout "unembed": answers are not normed')
        if self.attends != "both":
            wrong = {
                f"d={self.d} is odd": self.d % 2 == 1,
                "positions are missing": not self.positions,
                f"n_layers={self.n_layers}, later blocks see no halves": self.n_layers > 1,
                f"norm {self.norm!r} mixes the halves": self.norm in ("pre", "post"),
                'mixing "lin" sees nothing': self.mixing == "lin",
            }
            for fault, found in wrong.items():
                if found:
                    raise ValueError(f"attends={self.attends!r} cannot be: {fault}")
        if (size := self.n_weights) > LARGEST:
            raise ValueError(f"{size} weights are more than {LARGEST}")
        return self

    @classmethod
    def counting(
        cls, architecture: str, *, T: int, L: int, d: int, p: int, **changes: Any
    ) -> "TransformerConfig":
        """One of the six counting transformers (arXiv:2407.11542, section 2), as it is or changed
        as in the paper's appendices: blocks, heads, activation, positions, norm, values.

        Raises:
            MechprobeError: unknown architecture, a size out of range, changes that do not fit.
        """
        base = CountingConfig.of(architecture, T=T, L=L, d=d, p=p)
        fields = {"mixing": base.mixing, "softmax": base.softmax, "bos": base.bos}
        return cls.checked({**base.sizes, **fields, **changes})

    @classmethod
    def positional_semantic(
        cls, attends: str = "both", *, T: int = 15, L: int = 10, d: int = 64, p: int = 128
    ) -> "TransformerConfig":
        """The counting transformer with positions of arXiv:2402.03902, section 3.

        Raises:
            MechprobeError: unknown `attends`, or a size out of range.
        """
        kind = {"positions": True, "norm": "mlp", "residual": False, "values": "value"}
        sizes = {"T": T, "L": L, "d": d, "p": p}
        return cls.checked({**sizes, **kind, "attends": attends, "sampler": "uniform"})

    @classmethod
    def standard(
        cls,
        *,
        T: int,
        L: int,
        d: int,
        p: int,
        norm: str = "pre",
        activation: str = "gelu",
        **changes: Any,
    ) -> "TransformerConfig":
        """A standard transformer with bidirectional attention: what TransformerLens's
        `TransformerBridge.boot_native` computes.

        Raises:
            MechprobeError: a size out of range, changes that do not fit.
        """
        kind = {"positions": True, "values": "value-output", "readout": "unembed", "biases": True}
        sizes = {"T": T, "L": L, "d": d, "p": p, "norm": norm, "activation": activation}
        return cls.checked({**sizes, **kind, **changes})

    @property
    def architecture(self) -> str:
        """Readable name, such as "2 blocks, 2 heads, dot+sftm, gelu, positions, LayerNorm"."""
        if self.attends != "both":
            return self.attends
        mixing = ("bos" if self.bos else "dot") if self.mixing == "dot" else "lin"
        if self.mixing == "lin" and self.bos:
            mixing = "lin(bos)"
        named = {
            f"{self.n_layers} block{'s' * (self.n_layers > 1)}": True,
            f"{self.n_heads} head{'s' * (self.n_heads > 1)}": True,
            mixing + ("+sftm" if self.softmax else ""): True,
            self.activation: True,
            "positions": self.positions,
            "LayerNorm": self.norm in ("pre", "mlp"),
            "LayerNorm after": self.norm == "post",
            "causal": self.causal,
            "no residual": not self.residual,
            "W_V": self.values == "value",
            "W_V W_O": self.values == "value-output",
            "unembedding": self.readout == "unembed",
        }
        return ", ".join(name for name, shown in named.items() if shown)

    @property
    def norms_last(self) -> bool:
        """Whether there is a LayerNorm before the unembedding."""
        return self.norm == "pre" if self.final_norm is None else self.final_norm

    @property
    def n_vocab(self) -> int:
        """T, and one more with BOS."""
        return self.T + int(self.bos)

    @property
    def n_ctx(self) -> int:
        """Positions of a sequence, BOS included."""
        return self.L + int(self.bos)

    @property
    def d_value(self) -> int:
        """Width of a head's value."""
        return self.d_head if self.values == "value-output" else self.d

    @property
    def sizes(self) -> dict[str, int]:
        """Four sizes by name; the architecture says how many blocks and heads."""
        return {"T": self.T, "L": self.L, "d": self.d, "p": self.p}

    @property
    def n_weights(self) -> int:
        """Numbers a model holds."""
        return sum(math.prod(shape) for shape in shapes(self).values())

    def answers_in_classes(self, layer: int) -> bool:
        """Whether this block's feed-forward answers, instead of returning to the stream."""
        return self.readout == "classes" and layer == self.n_layers - 1

    @property
    def usual_task(self) -> dict[str, Any]:
        """Counting of tokens."""
        task = HistogramTask(T=self.T, L=self.L, bos=self.bos, sampler=self.sampler)
        return task.describe()
