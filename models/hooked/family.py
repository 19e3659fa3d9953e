"""What a model family gives so that its weights become a hooked model; one file a family."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import nn

from mechprobe.models.base.registry import Registry
from mechprobe.models.base.weights import Weights
from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.embedding import Inputs, PosEmbed
from mechprobe.models.hooked.norm import LayerNorm
from mechprobe.models.hooked.unembedding import LearnedUnembed, Unembed
from mechprobe.models.tasks import Task


@runtime_checkable
class ModelConfig(Protocol):
    """What every family's configuration offers."""

    @property
    def family(self) -> str:
        """Name of the family."""
        ...

    @property
    def architecture(self) -> str:
        """Kind of model within the family."""
        ...

    @property
    def n_ctx(self) -> int:
        """Positions of a sequence."""
        ...

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes by name, for tables."""
        ...

    def model_dump_json(self) -> str:
        """The configuration as JSON."""
        ...


@dataclass(frozen=True)
class Parts:
    """Modules of one view of a model, in the order they run; ln_final before the unembedding."""

    cfg: HookedConfig
    embed: nn.Module
    pos_embed: PosEmbed | None
    blocks: list[nn.Module]
    unembed: Unembed | LearnedUnembed
    ln_final: LayerNorm | None = None

    @property
    def takes_vectors(self) -> bool:
        """Whether the inputs are vectors instead of token ids."""
        return isinstance(self.embed, Inputs)


@runtime_checkable
class Family(Protocol):
    """How weights of a family become modules and come back."""

    name: str

    def config(self, data: object, where: str) -> Any:
        """Validate a stored configuration.

        Raises:
            MechprobeError: with every fault in one line.
        """
        ...

    def check(self, config: Any, weights: Weights, where: str = "weights") -> None:
        """Compare weights with a configuration.

        Raises:
            MechprobeError: they do not fit.
        """
        ...

    def build(self, config: Any, weights: Weights, widened: bool) -> Parts:
        """Modules of a view; `weights` are copies that may be kept."""
        ...

    def natural(self, config: Any, parts: Parts) -> Weights:
        """The weights a view was built from, as views into its parameters."""
        ...

    def task(self, config: Any, weights: Weights) -> Task:
        """What the model was asked."""
        ...


# One folder a family in models/families; others' in packages that name a module in this group.
FAMILIES: Registry[Family] = Registry(
    "family", "mechprobe.families", ["mechprobe.models.families.*.hooked"]
)
Made = TypeVar("Made", bound=type)


def model_family(name: str) -> Callable[[Made], Made]:
    """Register a class of families; one is made, without arguments.

    Raises:
        MechprobeError: the name is none, or taken.
    """

    def register(made: Made) -> Made:
        FAMILIES.add(name, made(), made.__module__)
        return made

    return register
