"""Shape and kind of a transformer that counts: depth, heads, positions, norms, read-out."""

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from mechprobe.models.families.counting import CountingConfig
from mechprobe.models.tasks import AskedConfig, HistogramTask
from mechprobe.models.tasks.histogram import Sampler

LARGEST = 50_000_000  # weights: 200 MB in single precision


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
        activation: of the feed-forward layers; "gelu" is the exact one.
        positions: learned positional embeddings W_pos, added to those of the tokens.
        norm: LayerNorm "none"; "pre": before attention, feed-forward and unembedding; "mlp": before
            the feed-forward alone.
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
    activation: Literal["relu", "gelu", "identity"] = "relu"
    positions: bool = False
    norm: Literal["none", "pre", "mlp"] = "none"
    residual: bool = True
    values: Literal["raw", "value", "value-output"] = "raw"
    readout: Literal["classes", "unembed"] = "classes"
    biases: bool = False
    attends: Literal["both", "only_sem", "only_pos"] = "both"
    sampler: Sampler = "partition"
    n_classes: Annotated[int, Field(ge=0, le=100_000)] = 0

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
        if self.attends != "both":
            wrong = {
                f"d={self.d} is odd": self.d % 2 == 1,
                "positions are missing": not self.positions,
                f"n_layers={self.n_layers}, later blocks see no halves": self.n_layers > 1,
                'norm "pre" mixes the halves': self.norm == "pre",
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
            "LayerNorm": self.norm != "none",
            "no residual": not self.residual,
            "W_V": self.values == "value",
            "W_V W_O": self.values == "value-output",
            "unembedding": self.readout == "unembed",
        }
        return ", ".join(name for name, shown in named.items() if shown)

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


def shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, in the order they are drawn."""
    c = config
    named: dict[str, tuple[int, ...]] = {"W_E": (c.n_vocab, c.d)}
    if c.positions:
        named["W_pos"] = (c.n_ctx, c.d)
    for layer in range(c.n_layers):
        named |= {f"blocks.{layer}.{name}": shape for name, shape in _block(c, layer).items()}
    if c.readout == "unembed":
        if c.norm == "pre":
            named |= {"ln_final.w": (c.d,), "ln_final.b": (c.d,)}
        named |= {"W_U": (c.d, c.n_classes), "b_U": (c.n_classes,)}
    return named


def _block(c: TransformerConfig, layer: int) -> dict[str, tuple[int, ...]]:
    h, d, e = c.n_heads, c.d, c.d_head
    out = c.n_classes if c.answers_in_classes(layer) else d
    dot, values, output = c.mixing == "dot", c.values != "raw", c.values == "value-output"
    named: dict[str, tuple[bool, tuple[int, ...]]] = {
        "ln1.w": (c.norm == "pre", (d,)),
        "ln1.b": (c.norm == "pre", (d,)),
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
