"""Contexts that hand over the same draws in another guise."""

import torch

from mechprobe.models.tasks import BalancedSequences
from mechprobe.probes import CountContext


class Relabelled(CountContext):
    """The same sequences in other tokens' names: token t stands for the old token order[t]."""

    order: torch.Tensor

    def sample(self, purpose: str, n: int) -> torch.Tensor:
        return self._renamed(super().sample(purpose, n))

    def balanced(self, purpose: str, reps: int) -> BalancedSequences:
        data = super().balanced(purpose, reps)
        rows = self.order
        return BalancedSequences(self._renamed(data.tokens[rows]), data.position[rows], data.counts)

    def uniform_numbers(
        self, purpose: str, shape: tuple[int, ...], token_axes: tuple[int, ...] = (0,)
    ) -> torch.Tensor:
        found = super().uniform_numbers(purpose, shape, token_axes)
        for axis in token_axes:
            found = found.index_select(axis, self.order)
        return found

    def _renamed(self, tokens: torch.Tensor) -> torch.Tensor:
        new = torch.cat([self.order.argsort(), torch.tensor([self.task.T])])  # BOS stays
        return new[tokens]


class Moved(CountContext):
    """The same sequences with their positions permuted, BOS apart."""

    order: torch.Tensor  # of the body

    def sample(self, purpose: str, n: int) -> torch.Tensor:
        return super().sample(purpose, n)[..., self._places()]

    def balanced(self, purpose: str, reps: int) -> BalancedSequences:
        data = super().balanced(purpose, reps)
        places = self._places()
        return BalancedSequences(
            data.tokens[..., places], places.argsort()[data.position], data.counts
        )

    def _places(self) -> torch.Tensor:
        start = int(self.task.bos)
        return torch.cat([torch.arange(start), self.order + start])
