"""The mapping: which names a model of one's own has for the parts that we know."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.safe.documents import read_toml
from mechprobe.models.base.validation import validated
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.transformer.config import Activation
from mechprobe.models.tasks.samplers import is_file

# A name, or one a block where blocks are no list: `{block}` and `{head}` stand for numbers from 0.
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Name | Annotated[tuple[Name, ...], Field(min_length=1, max_length=16, strict=False)]
ROLES = (
    "embed", "pos_embed", "ln1", "q", "k", "v", "qkv", "o", "mix", "ln2", "mlp_in", "mlp_out",
    "ln_final", "unembed",
)  # fmt: skip
# Matrices that a stream is multiplied by, of which a square one may lie either way.
MATRICES = ("q", "k", "v", "qkv", "o", "mlp_in", "mlp_out", "unembed")
Layout = Literal["out-in", "in-out"]
# Axes of the rows of a fused matrix, the slowest first; e is the width of a head.
Order = Literal["qkv head e", "head qkv e", "head e qkv", "qkv e head"]
ORDERS: tuple[Order, ...] = ("qkv head e", "head qkv e", "head e qkv", "qkv e head")


class NameMapping(BaseModel):
    """Names of a model's parts, and what its weights do not show.

    A name is that of a tensor of the state dict, or of the module that has it: "tok" stands for
    "tok.weight" and, where there is one, "tok.bias".

    Attributes:
        embed: token embeddings [vocabulary, d].
        pos_embed: positional ones [at least the positions, d]; left out where there are none.
        ln1, ln2: LayerNorms of a block.
        q, k, v: projections of the heads, side by side, or one a head (`{head}` in the name).
        qkv: all three in one.
        o: from the heads back to the stream.
        mix: a constant matrix [pos, pos] in place of queries and keys.
        mlp_in, mlp_out: the feed-forward layer.
        ln_final: LayerNorm before the unembedding.
        unembed: to the answers; left out where the last `mlp_out` answers. The embedding's name
            where they are tied.
        bias: names of biases that lie elsewhere than beside their weight, by part.
        heads: of a block.
        activation: of the feed-forward layers.
        norm: "pre", "post" (of the stream behind each skip) or "mlp".
        softmax, residual, causal: as in `TransformerConfig`.
        scale: what scores are divided by; the root of a head's width unless given.
        embed_scale: what embeddings are multiplied by before positions are added.
        eps: of the LayerNorms.
        layout: how square matrices lie: "out-in" as in nn.Linear, "in-out" for x @ W; for all, or
            by part.
        qkv_order: how `qkv` is fused: axes of its outputs, the slowest first.
        ignore: names, or beginnings of names, of tensors that have no part in the answer.
        task: what the model was asked, see `TaskDescription`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    embed: Name
    pos_embed: Name | None = None
    ln1: Names | None = None
    q: Names | None = None
    k: Names | None = None
    v: Names | None = None
    qkv: Names | None = None
    o: Names | None = None
    mix: Names | None = None
    ln2: Names | None = None
    mlp_in: Names
    mlp_out: Names
    ln_final: Name | None = None
    unembed: Name | None = None
    bias: dict[str, Names] = {}
    heads: Annotated[int, Field(ge=1, le=64)] | None = None
    activation: Activation | None = None
    norm: Literal["none", "pre", "post", "mlp"] | None = None
    softmax: bool = True
    residual: bool = True
    causal: bool | None = None
    scale: Annotated[float, Field(gt=0, strict=False)] | None = None
    embed_scale: Annotated[float, Field(gt=0, strict=False)] = 1.0
    eps: Annotated[float, Field(gt=0, lt=1)] | None = None
    layout: Layout | dict[str, Layout] = {}
    qkv_order: Order | None = None
    ignore: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    task: TaskDescription | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "NameMapping":
        for table, known in ((self.bias, ROLES), (self.layout, MATRICES)):
            strange = [name for name in table if name not in known] if table else []
            if isinstance(table, dict) and strange:
                raise ValueError(f"{short(strange[0])} is no part; parts are {', '.join(known)}")
        if self.qkv and (self.q or self.k or self.v):
            raise ValueError("qkv is all of q, k and v; give one or the others")
        if bool(self.q) != bool(self.k):
            raise ValueError("q and k belong together; one of them is missing")
        if sum(map(bool, (self.q, self.qkv, self.mix))) != 1:
            raise ValueError("scores come from qkv, from q and k, or from mix; name one of these")
        if self.o and not (self.v or self.qkv):
            raise ValueError("o reads what v writes; v is missing")
        if self.ln_final and not self.unembed:
            raise ValueError("ln_final stands before unembed, which is missing")
        return self

    @property
    def names(self) -> dict[str, str | tuple[str, ...]]:
        """Names by part, those that are given."""
        found = {role: getattr(self, role) for role in ROLES}
        return {role: name for role, name in found.items() if name is not None}


def mapping_of(given: object, where: str = "mapping", folder: Path | None = None) -> NameMapping:
    """A mapping out of a dictionary, or a TOML file that holds one.

    Args:
        given: a dictionary, a path, or a mapping.
        where: what messages start with.
        folder: that a file of sequences is named from.

    Raises:
        MechprobeError: it is none, with its faults in one line.
    """
    if isinstance(given, NameMapping):
        return given
    if isinstance(given, str | Path):
        return mapping_of(read_toml(Path(given)), str(given), Path(given).parent)
    if not isinstance(given, Mapping):
        raise MechprobeError(
            f"{where}: a {type(given).__name__} is given; a dictionary of names or the path of a"
            " TOML file is wanted (docs/own_models.md)"
        )
    data: dict[str, Any] = dict(given)
    if isinstance(data.get("task"), Mapping) and folder is not None:
        data["task"] = _beside(data["task"], folder)
    if isinstance(data.get("task"), Mapping):
        data["task"] = TaskDescription.checked(dict(data["task"]), f"{where}: task")
    return validated(NameMapping, data, where)


def _beside(task: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A file of sequences is named from where the mapping lies."""
    named = task.get("sampler")
    return {**task, "sampler": str(folder / str(named))} if is_file(named) else dict(task)
