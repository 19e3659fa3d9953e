"""What a model family gives so that its weights become a hooked model; one file a family."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from torch import nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.registry import Registry, refuse_lacking
from mechprobe.models.base.safe.reading import CONFIG_FILE
from mechprobe.models.base.weights import Weights
from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.embedding import Inputs, PosEmbed
from mechprobe.models.hooked.norm import LayerNorm
from mechprobe.models.hooked.unembedding import LearnedUnembed, Unembed


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

    @property
    def task_data(self) -> dict[str, Any]:
        """Name and settings of the model's task; see `AskedConfig`."""
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


class Family(ABC):
    """How weights of a family become a model and come back; one object a family.

    Models are plain `HookedTransformer`s of the modules that `build` gives, unless a family
    assembles them in a way of its own.
    """

    model_class: ClassVar[type[Any]]  # of `assemble`; HookedTransformer unless a family names one

    @abstractmethod
    def config(self, data: object, where: str) -> Any:
        """Validate a stored configuration.

        Raises:
            MechprobeError: with every fault in one line.
        """

    @abstractmethod
    def check(self, config: Any, weights: Weights, where: str = "weights") -> None:
        """Compare weights with a configuration.

        Args:
            config: of this family.
            weights: may be without numbers (device "meta").
            where: what the message starts with.

        Raises:
            MechprobeError: they do not fit.
        """

    def build(self, config: Any, weights: Weights, widened: bool) -> Parts:
        """Modules of a view.

        Args:
            config: of this family.
            weights: copies that may be kept.
            widened: whether the stream has coordinates of its own for the answer.

        Raises:
            MechprobeError: there is no such view.
        """
        raise MechprobeError(f"models of the family {config.family!r} are not made of our modules")

    def natural(self, config: Any, parts: Parts) -> Weights:
        """The weights a view was built from, as views into its parameters; undoes `build`."""
        raise MechprobeError(f"models of the family {config.family!r} are not made of our modules")

    def initial(self, config: Any, generator: torch.Generator) -> Weights:
        """The weights of a model of this configuration before any training, natural ones.

        Raises:
            MechprobeError: the family does not say how its models start.
        """
        raise MechprobeError(f"models of the family {config.family!r} have no start of their own")

    def assemble(self, config: Any, weights: Weights, widened: bool = False) -> Any:
        """A model out of its configuration and its natural weights: a `HookedTransformer`.

        Raises:
            MechprobeError: they do not fit, or there is no such view.
        """
        return self.model_class(config, weights, widened)

    def files(self, model: Any) -> dict[str, dict[str, Any]]:
        """What is stored of a model beside its weights: JSON objects by the file's name.

        Raises:
            MechprobeError: the model cannot be stored.
        """
        return {CONFIG_FILE: json.loads(model.config.model_dump_json())}


# One folder a family in models/families; others' in packages that name a module in this group.
FAMILIES: Registry[Family] = Registry(
    "family", "mechprobe.families", ["mechprobe.models.families.*.hooked"]
)
Made = TypeVar("Made", bound=type)


def model_family(name: str) -> Callable[[Made], Made]:
    """Register a class of families; one is made, without arguments.

    Raises:
        MechprobeError: the class is no complete `Family`, or the name is not well formed or taken.
    """

    def register(made: Made) -> Made:
        if not issubclass(made, Family):
            raise MechprobeError(f"family {name!r}: {made.__name__} is no subclass of Family")
        refuse_lacking(f"family {name!r}", made, ())
        FAMILIES.add(name, made(), made.__module__)
        return made

    return register
