"""What models and probes may ask of a task; a new task is one file that offers these."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Task(Protocol):
    """A sequence-to-sequence task: what is asked, how it is sampled and scored.

    Sequences are token ids [n, pos] or vectors [n, pos, d]; what else a task offers (accuracy,
    balanced sequences, a teacher) is for the probes that are written for it.
    """

    @property
    def name(self) -> str:
        """Name that probes say they read."""
        ...

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n sequences."""
        ...

    def targets(self, inputs: Tensor) -> Tensor:
        """The right answers."""
        ...

    def loss(self, answers: Tensor, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        """Mean training loss of a model's answers, against its own targets unless given."""
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, ready for JSON."""
        ...
