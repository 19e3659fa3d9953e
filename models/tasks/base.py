"""What a probe may ask of a task; a new task is one file that offers these."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class Task(Protocol):
    """A sequence-to-sequence task over token ids."""

    name: str

    @property
    def n_vocab(self) -> int:
        """Number of token ids, special tokens included."""
        ...

    @property
    def n_classes(self) -> int:
        """Number of classes a model answers with."""
        ...

    def sample(self, n: int, generator: torch.Generator) -> Int[Tensor, "n pos"]:
        """Draw n sequences."""
        ...

    def targets(self, tokens: Int[Tensor, "*batch pos"]) -> Int[Tensor, "*batch scored"]:
        """The right class at every scored position."""
        ...

    def scored(self, values: Tensor, dim: int) -> Tensor:
        """Keep the scored positions of a tensor with positions along `dim`."""
        ...

    def accuracy(
        self, logits: Float[Tensor, "*batch pos classes"], tokens: Int[Tensor, "*batch pos"]
    ) -> float:
        """Share of scored positions answered rightly, in [0, 1]."""
        ...
