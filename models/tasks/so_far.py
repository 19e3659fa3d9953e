"""Counting so far: how often has this position's token occurred up to here?

The task of models whose attention is masked: a position sees itself and those before it, so the
count in the whole sequence is out of its sight but at the last position.
`[B,A,A,D,B] -> [1,1,2,1,2]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.settled import settled
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights
from mechprobe.models.tasks.base import Interface, task
from mechprobe.models.tasks.histogram import BalancedSequences, HistogramTask, Settings

NAME: Literal["histogram-so-far"] = "histogram-so-far"


class SoFarSettings(Settings):
    """What a configuration says of the task."""

    name: Literal["histogram-so-far"]  # type: ignore[assignment]


@task(NAME)
@dataclass(frozen=True)
class SoFarTask(HistogramTask):
    """Count tokens up to each position; arguments as of `HistogramTask`.

    Raises:
        MechprobeError: as `HistogramTask`.
    """

    name: str = NAME

    @classmethod
    def from_data(cls, data: Mapping[str, Any], tensors: Weights) -> "SoFarTask":
        """A task out of a configuration; it keeps no tensors.

        Raises:
            MechprobeError: with every fault in one line.
        """
        return cls(**validated(SoFarSettings, dict(data), f"task {NAME!r}").model_dump())

    def why_not(self, interface: Interface) -> str | None:
        """Why a model cannot be asked this task; a mask is no reason."""
        seen = Interface(interface.n_ctx, interface.vectors, interface.d_in, interface.d_out)
        return super().why_not(seen)

    def targets(self, tokens: Any) -> Int[Tensor, "*batch scored"]:
        """Occurrences of each scored position's token up to that position, 1..L.

        Args:
            tokens: sequences [*batch, pos].

        Raises:
            MechprobeError: they are none of this task; see `checked`.
        """
        body = self.scored(self.checked(tokens), -1)
        return (body.unsqueeze(-1) == body.unsqueeze(-2)).tril().sum(-1)

    @settled()
    def balanced(self, reps: int, generator: torch.Generator) -> BalancedSequences:
        """As of `HistogramTask`, with the marked token at the last position: there the count so far
        is that of the whole sequence, and every count is possible."""
        whole = super().balanced(reps, generator)
        tokens, at = whole.tokens.clone(), whole.position.unsqueeze(-1)
        marked = tokens.gather(-1, at)
        tokens.scatter_(-1, at, tokens[..., -1:].clone())
        tokens[..., -1:] = marked
        last = torch.full_like(whole.position, tokens.shape[-1] - 1)
        return BalancedSequences(tokens, last, whole.counts)
