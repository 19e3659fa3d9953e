"""From the last residual stream to the answers: learned, or a selection of coordinates."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechprobe.models.hooked.config import HookedConfig


class Unembed(nn.Module):
    """Picks the answer out of the last residual stream; a constant, not a learned map.

    Args:
        cfg: gives the number of outputs.
        width: of the stream it reads.
        read_at: first coordinate of the answer.
    """

    def __init__(self, cfg: HookedConfig, width: int, read_at: int) -> None:
        super().__init__()
        self.cfg = cfg
        self.width = width
        self.read_at = read_at

    @property
    def W_U(self) -> Float[Tensor, "d_out classes"]:
        """Constant selection."""
        chosen = torch.zeros(
            self.width, self.cfg.d_vocab_out, dtype=self.cfg.dtype, device=self.cfg.device
        )
        chosen.diagonal(-self.read_at).fill_(1)
        return chosen

    def forward(self, x: Float[Tensor, "... d_out"]) -> Float[Tensor, "... classes"]:
        return x[..., self.read_at : self.read_at + self.cfg.d_vocab_out]


class LearnedUnembed(nn.Module):
    """x W_U + b_U."""

    def __init__(
        self, W_U: Float[Tensor, "d_model classes"], b_U: Float[Tensor, " classes"]
    ) -> None:
        super().__init__()
        self.W_U = nn.Parameter(W_U)
        self.b_U = nn.Parameter(b_U)

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... classes"]:
        return x @ self.W_U + self.b_U
