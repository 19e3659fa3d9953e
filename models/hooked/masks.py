"""Weights of which only some coordinates of the residual stream are used."""

import torch
from jaxtyping import Bool
from torch import Tensor, nn


class Half(nn.Module):
    """A weight of which some coordinates of the stream are kept and the others read as zero.

    What is not kept is remembered beside it, so that stored weights come back as they were, and is
    masked on every use, so that training does not reach it.
    """

    keep: Tensor
    hidden: Tensor

    def __init__(self, stored: Tensor, keep: Bool[Tensor, "..."]) -> None:
        super().__init__()
        self.register_buffer("keep", keep.expand_as(stored).clone(), persistent=False)
        self.register_buffer("hidden", torch.where(keep, torch.zeros_like(stored), stored))

    def shown(self, weight: Tensor) -> Tensor:
        """The weight, zero where it is not kept."""
        return torch.where(self.keep, weight, torch.zeros_like(weight))

    def stored(self, weight: Tensor) -> Tensor:
        """The weight, with what is not kept as it was stored."""
        return torch.where(self.keep, weight, self.hidden)
