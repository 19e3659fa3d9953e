"""What the scripts of the published counting code are given, and what a user says in its place.

Which arguments shape a model, and which leave it as it is: read off the scripts' parsers and off
the tables of runs that their notebooks load. An argument that is neither may change what the
weights mean, so it is refused by name.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.validation import validated
from mechprobe.models.checkpoints.asking import Settings
from mechprobe.models.tasks.histogram import Sampler

AttentionInput = Literal["both", "only_pos", "only_sem", "linear"]
OPTION = "--task"

# Arguments of training and logging; columns of the notebooks' tables of runs.
HARMLESS = (
    # of training and logging
    "project_name", "run_name", "num_samples", "n_epochs", "lr", "optimizer", "batch_size",
    "include_validation", "offline_learning", "device", "seed",
    # columns
    "name", "entity", "project", "train_loss", "val_loss", "val_acc", "params_count", "epoch",
    "_step", "_runtime", "_timestamp", "_wandb", "meta",
)  # fmt: skip


class PublishedConfig(BaseModel):
    """The arguments that shape a model.

    Attributes:
        T: alphabet size, without BOS.
        seq_len: positions, without BOS.
        model_dim, p: widths of the embeddings and of the hidden layer.
        attention_input: what scores are made of; "linear" is a learned constant matrix.
        no_softmax: whether scores are the mixing weights themselves.
        dataset_type: "forward" draws tokens uniformly, "backward" by partition.
        model_type: of the scripts with fixed random embeddings alone.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    T: Annotated[int, Field(ge=2)]
    seq_len: Annotated[int, Field(ge=2)]
    model_dim: Annotated[int, Field(ge=2)]
    p: Annotated[int, Field(ge=1)]
    attention_input: AttentionInput
    no_softmax: bool
    dataset_type: Literal["forward", "backward", "backward_BOS"]
    model_type: Literal["1layer"] | None = None

    @property
    def bos(self) -> bool:
        """Whether token id T is prepended."""
        return self.dataset_type == "backward_BOS"

    @property
    def linear(self) -> bool:
        """Whether the mixing is a learned constant matrix."""
        return self.attention_input == "linear"

    @property
    def positions(self) -> bool:
        """Whether positions have a part in the answer."""
        return self.attention_input in ("both", "only_pos")

    @classmethod
    def read(cls, config: Mapping[str, Any], where: str) -> "PublishedConfig":
        """Out of config.json.

        Raises:
            MechprobeError: an argument that is not known to leave the model as it is, one that is
                missing or out of range, or a model that is not read.
        """
        if config.get("model_type") == "2layer":
            raise MechprobeError(f"{where}: model_type is '2layer'; those models are not read")
        refuse_unknown(config, cls.model_fields, HARMLESS, where)
        return validated(cls, {n: v for n, v in config.items() if n in cls.model_fields}, where)


class Told(BaseModel):
    """What a user says of a file that stands alone.

    Attributes:
        T, L, bos, sampler: of the task.
        softmax: whether mixing scores pass a softmax.
        attention_input: as the script calls it.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Literal["histogram"] = "histogram"
    T: Annotated[int, Field(ge=2)] | None = None
    L: Annotated[int, Field(ge=2)] | None = None
    bos: bool | None = None
    sampler: Sampler | None = None
    softmax: bool | None = None
    attention_input: AttentionInput | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Told":
        """Checked.

        Raises:
            MechprobeError: a setting that is none of these.
        """
        return validated(cls, dict(settings), OPTION)


def refuse_unknown(
    config: Mapping[str, Any], shaping: Iterable[str], harmless: Iterable[str], where: str
) -> None:
    """Raises:
    MechprobeError: an argument is not known to leave the model as it is.
    """
    unknown = [name for name in config if name not in {*shaping, *harmless}]
    if unknown:
        listed = ", ".join(short(repr(name)) for name in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise MechprobeError(
            f"{where}: {listed}{more}: no argument that is known; remove it if it changes neither"
            " the model nor its task"
        )


def refuse_lacking(lacking: Mapping[str, str], file: object) -> None:
    """Raises:
    MechprobeError: something is lacking; says what, and how it is given.

    Args:
        lacking: an example of a value by the setting's name.
        file: that does not say it.
    """
    if lacking:
        example = ",".join(f"{name}={value}" for name, value in lacking.items())
        raise MechprobeError(
            f"{file}: does not say {', '.join(lacking)}; say it: {OPTION} {example}, for example"
        )
