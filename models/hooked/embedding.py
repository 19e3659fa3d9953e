"""What the residual stream starts with: tokens or vectors, and positions."""

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.masks import Half


class Embed(nn.Module):
    """Token embedding W_E [vocab, d_model]; zero in coordinates that a mask does not keep."""

    def __init__(
        self, W_E: Float[Tensor, "vocab d_model"], keep: Bool[Tensor, " d_model"] | None = None
    ) -> None:
        super().__init__()
        self.kept = None if keep is None else Half(W_E, keep)
        self.W_E = nn.Parameter(W_E if self.kept is None else self.kept.shown(W_E))

    def stored(self) -> Float[Tensor, "vocab d_model"]:
        """The weight it was built from."""
        return self.W_E if self.kept is None else self.kept.stored(self.W_E)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return (self.W_E if self.kept is None else self.kept.shown(self.W_E))[tokens]


class Inputs(nn.Module):
    """In place of an embedding where the tokens are vectors already; pads them to the stream."""

    def __init__(self, cfg: HookedConfig) -> None:
        super().__init__()
        self.cfg = cfg

    def forward(self, x: Float[Tensor, "batch pos d"]) -> Float[Tensor, "batch pos d_model"]:
        """The vectors, zeros behind them."""
        return nn.functional.pad(x, (0, self.cfg.d_model - self.cfg.d_value))


class PosEmbed(nn.Module):
    """Positional embeddings W_pos [pos, d_model]; zero in coordinates that a mask does not keep.

    Args:
        W_pos: the embeddings.
        keep: the mask.
        learned: a parameter; otherwise constants, in the state dict all the same.
    """

    W_pos: Tensor

    def __init__(
        self,
        W_pos: Float[Tensor, "pos d_model"],
        keep: Bool[Tensor, " d_model"] | None = None,
        learned: bool = True,
    ) -> None:
        super().__init__()
        self.kept = None if keep is None else Half(W_pos, keep)
        shown = W_pos if self.kept is None else self.kept.shown(W_pos)
        if learned:
            self.W_pos = nn.Parameter(shown)
        else:
            self.register_buffer("W_pos", shown)

    def stored(self) -> Float[Tensor, "pos d_model"]:
        """The weight it was built from."""
        return self.W_pos if self.kept is None else self.kept.stored(self.W_pos)

    def forward(self, inputs: Tensor) -> Float[Tensor, "batch pos d_model"]:
        """The embeddings, once a sequence so that a hook may write each apart."""
        W_pos = self.W_pos if self.kept is None else self.kept.shown(self.W_pos)
        places = W_pos[: inputs.shape[1]]
        return places.expand(inputs.shape[0], *places.shape).clone()
