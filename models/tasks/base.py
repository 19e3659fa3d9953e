"""What models and probes may ask of a task, and tasks by name; a new task is one file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from mechprobe.models.base.registry import Registry, refuse_lacking
from mechprobe.models.base.weights import Weights


@dataclass(frozen=True)
class Interface:
    """What a model reads and answers, which a task has to fit.

    Args:
        n_ctx: positions of a sequence.
        vectors: whether it reads vectors instead of token ids.
        d_in: how many token ids it knows, or the width of its vectors.
        d_out: classes of an answer, or its width.
        causal: whether a position sees itself and those before it alone.
    """

    n_ctx: int
    vectors: bool
    d_in: int
    d_out: int
    causal: bool = False


@runtime_checkable
class Task(Protocol):
    """A sequence-to-sequence task: what is asked, how it is sampled and scored.

    Sequences are token ids [n, pos] or vectors [n, pos, d]; what else a task offers (accuracy,
    balanced sequences, a teacher) is for the probes that are written for it.
    """

    @property
    def name(self) -> str:
        """Name that it is registered under and that probes say they read."""
        ...

    @classmethod
    def from_data(cls, data: Mapping[str, Any], tensors: Weights) -> "Task":
        """A task out of a model's configuration.

        Args:
            data: settings, as `describe` gives them, the name included.
            tensors: the model's weights; a task may keep some of its own among them.

        Raises:
            MechprobeError: the settings are none of this task.
        """
        ...

    def why_not(self, interface: Interface) -> str | None:
        """Why a model cannot be asked this task, in one clause; None where it can."""
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


# One file a task in models/tasks; others' in packages that name a module in this group.
TASKS: Registry[type[Task]] = Registry("task", "mechprobe.tasks", ["mechprobe.models.tasks.*"])
NEEDED = ("from_data", "why_not", "sample", "targets", "loss", "describe")
Made = TypeVar("Made", bound=type)


def task(name: str) -> Callable[[Made], Made]:
    """Register a class of tasks, so that configurations of models can name it.

    Raises:
        MechprobeError: the class lacks a part of `Task`, or the name is not well formed or taken.
    """

    def register(made: Made) -> Made:
        refuse_lacking(f"task {name!r}", made, NEEDED)
        TASKS.add(name, made, made.__module__)
        return made

    return register
