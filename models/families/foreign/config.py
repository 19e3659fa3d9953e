"""Configuration of a foreign model: what its makers and TransformerLens say about it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.foreign.description import TaskDescription

RUN_NUMBERS = 2**22  # that a run of all sequences that are tried may make
MASKS = 2**26  # numbers of the masks that boot_native keeps, n_ctx x n_ctx in every block
# What shapes a model in TransformerLens's configurations; what is left out there is left out here.
FIELDS = (
    "n_layers",
    "d_model",
    "n_ctx",
    "d_head",
    "n_heads",
    "n_key_value_heads",
    "d_mlp",
    "d_vocab",
    "d_vocab_out",
    "act_fn",
    "attn_only",
    "attention_dir",
    "normalization_type",
    "final_rms",
    "eps",
    "gated_mlp",
    "parallel_attn_mlp",
    "positional_embedding_type",
    "use_attn_scale",
    "attn_scale",
    "attn_scores_soft_cap",
    "output_logits_soft_cap",
)


class ForeignConfig(BaseModel):
    """A foreign model's shape and task.

    Attributes:
        description: tokens, BOS, answers.
        transformer_lens: the fields of TransformerLens's configuration that shape the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["foreign"] = "foreign"
    description: TaskDescription
    transformer_lens: dict[str, JsonValue]

    @classmethod
    def of(cls, cfg: object, description: TaskDescription) -> "ForeignConfig":
        """Read off a model's `cfg`."""
        found = {name: getattr(cfg, name, None) for name in FIELDS}
        plain = {
            name: value
            for name, value in found.items()
            if isinstance(value, (bool, int, float, str))
        }
        return cls(description=description, transformer_lens=plain)

    def field(self, name: str) -> Any:
        """One of TransformerLens's fields; None where the model has none."""
        return self.transformer_lens.get(name)

    @property
    def architecture(self) -> str:
        """The kind of model in words."""
        layers, heads = self.field("n_layers"), self.field("n_heads")
        words = [
            "transformer-lens",
            f"{layers} block{'s' * (layers != 1)}",
            f"{heads} head{'s' * (heads != 1)}",
        ]
        if self.field("attn_only"):
            words.append("attention only")
        elif self.field("act_fn"):
            words.append(str(self.field("act_fn")))
        if self.field("normalization_type"):
            words.append(str(self.field("normalization_type")))
        return ", ".join(words)

    @property
    def T(self) -> int:
        """Alphabet size."""
        return self.description.T

    @property
    def L(self) -> int:
        """Sequence length without BOS."""
        return self.description.L

    @property
    def d(self) -> int:
        """Width of the residual stream."""
        return int(self.field("d_model"))

    @property
    def p(self) -> int:
        """Hidden neurons of a block; 0 where there are none."""
        return 0 if self.field("attn_only") else int(self.field("d_mlp") or 0)

    @property
    def bos(self) -> bool:
        """Whether sequences begin with BOS."""
        return self.description.bos is not None

    @property
    def n_vocab(self) -> int:
        """T, and one more with BOS."""
        return self.T + int(self.bos)

    @property
    def n_classes(self) -> int:
        """Counts 0..L."""
        return self.L + 1

    @property
    def n_ctx(self) -> int:
        """Positions of a sequence, BOS included."""
        return self.description.n_ctx

    @property
    def sizes(self) -> dict[str, int]:
        """The four sizes by name."""
        return {"T": self.T, "L": self.L, "d": self.d, "p": self.p}

    @property
    def run_numbers(self) -> int:
        """How many numbers a run on one sequence makes, about: scores and patterns, what heads,
        neurons and the stream hold, answers."""
        d, heads, places = self.d, self.field("n_heads"), self.description.n_ctx
        neurons = 0 if self.field("attn_only") else self.field("d_mlp") or 4 * d
        of_heads = heads * (2 * places + 4 * self.field("d_head"))
        out = self.field("d_vocab_out") or -1
        answers = out if out > 0 else self.field("d_vocab") or 0
        return int(places * (self.field("n_layers") * (of_heads + 2 * neurons + 6 * d) + answers))

    @property
    def task_data(self) -> dict[str, Any]:
        """Name and settings of the task, in our own ids."""
        return self.description.task_data


def check_size(config: ForeignConfig, where: str) -> None:
    """Whether a stored model is small enough to be tried.

    Raises:
        MechprobeError: it is not.
    """
    if config.n_ctx > (n_ctx := int(config.field("n_ctx"))):
        return  # `wrap` says so, and runs nothing
    numbers, n_layers = config.run_numbers, int(config.field("n_layers"))
    masks = n_layers * n_ctx**2
    if numbers > RUN_NUMBERS or masks > MASKS:
        raise MechprobeError(
            f"{where}: n_layers={n_layers}, n_heads={config.field('n_heads')}, n_ctx={n_ctx}"
            f" with L={config.L} are too large to be tried ({numbers:,} numbers a sequence,"
            f" {RUN_NUMBERS:,} at most, {masks:,} of masks, {MASKS:,} at most); wrap the model in"
            " Python"
        )
