"""Layers of the hooked model, with TransformerLens's hook names; every hook reads and writes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.errors import MechprobeError


@dataclass
class HookedConfig:
    """What TransformerLens's utilities ask of a model's `cfg`.

    `d_model` is the width of the residual stream of this view; `d_vocab` counts input tokens in
    the natural view and classes in the widened one (where W_U lives in the residual stream).
    `d_value` is the width of a value, d_head that of a query.
    """

    d_model: int
    d_head: int
    d_value: int
    d_mlp: int
    d_vocab: int
    d_vocab_out: int
    n_ctx: int
    attn_scale: float
    softmax: bool
    widened: bool
    dtype: torch.dtype
    device: str = "cpu"
    n_layers: int = 1
    n_heads: int = 1
    n_key_value_heads: int | None = None
    attn_only: bool = False
    normalization_type: str | None = None
    act_fn: str = "relu"
    # Scores are a learned constant matrix; there are no queries and keys.
    constant_mixing: bool = False
    # The model has positional encodings.
    positions: bool = False


class Embed(nn.Module):
    """Token embedding W_E [vocab, d_model]."""

    def __init__(self, W_E: Float[Tensor, "vocab d_model"]) -> None:
        super().__init__()
        self.W_E = nn.Parameter(W_E)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return self.W_E[tokens]


class Inputs(nn.Module):
    """In place of an embedding where the tokens are vectors already; pads them to the stream.

    Raises:
        MechprobeError: the inputs are not real vectors of the model's width and length.
    """

    def __init__(self, cfg: HookedConfig) -> None:
        super().__init__()
        self.cfg = cfg

    def forward(self, x: Tensor) -> Float[Tensor, "batch pos d_model"]:
        """The vectors, zeros behind them."""
        wanted = (self.cfg.n_ctx, self.cfg.d_value)
        if x.ndim != 3 or tuple(x.shape[1:]) != wanted or not x.is_floating_point():
            raise MechprobeError(
                f"inputs of shape {tuple(x.shape)} and type {x.dtype}: real vectors of shape"
                f" (batch, {wanted[0]}, {wanted[1]}) are wanted"
            )
        return nn.functional.pad(x, (0, self.cfg.d_model - self.cfg.d_value))


class PosEmbed(nn.Module):
    """Fixed positional encodings W_pos [pos, d_model]; constants, but kept in the state dict."""

    W_pos: Tensor

    def __init__(self, W_pos: Float[Tensor, "pos d_model"]) -> None:
        super().__init__()
        self.register_buffer("W_pos", W_pos)

    def forward(self, inputs: Tensor) -> Float[Tensor, "batch pos d_model"]:
        """The encodings, once a sequence so that a hook may write each apart."""
        return self.W_pos.expand(inputs.shape[0], *self.W_pos.shape).clone()


class Attention(nn.Module):
    """Mixing of positions: scores, pattern (after the softmax, where there is one), z, out.

    Values are the first d_value coordinates of the stream as they are (arXiv:2407.11542,
    section 2; arXiv:2402.03902, section 2), and the output goes to the coordinates from
    `write_at` on: W_V and W_O are constant selections.
    """

    def __init__(self, cfg: HookedConfig, write_at: int = 0) -> None:
        super().__init__()
        self.cfg = cfg
        self.write_at = write_at
        self.hook_v = HookPoint()
        self.hook_attn_scores = HookPoint()
        self.hook_pattern = HookPoint()
        self.hook_z = HookPoint()

    @property
    def W_V(self) -> Float[Tensor, "1 d_model d_value"]:
        """Constant: selects the values."""
        return torch.eye(self.cfg.d_model, self.cfg.d_value, dtype=self.cfg.dtype).unsqueeze(0)

    @property
    def W_O(self) -> Float[Tensor, "1 d_value d_model"]:
        """Constant: places the output in the stream."""
        chosen = torch.zeros(1, self.cfg.d_value, self.cfg.d_model, dtype=self.cfg.dtype)
        chosen[0].diagonal(self.write_at).fill_(1)
        return chosen

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        # Slices, not products with W_V and W_O: the same numbers, and d^2 fewer of them.
        size = self.cfg.d_value
        # A copy: TransformerLens's patching writes in place, and the stream is not to change.
        value = self.hook_v(x[..., :size].unsqueeze(2).clone())
        scores = self.hook_attn_scores(self.scores(x))
        pattern = self.hook_pattern(scores.softmax(-1) if self.cfg.softmax else scores)
        z = self.hook_z(torch.einsum("bhqk,bkhe->bqhe", pattern, value))
        right = self.cfg.d_model - size - self.write_at
        return nn.functional.pad(z.sum(2), (self.write_at, right))


class DotAttention(Attention):
    """Scores <x_i W_Q, x_j W_K> / attn_scale."""

    def __init__(
        self,
        cfg: HookedConfig,
        W_Q: Float[Tensor, "d_model d_head"],
        W_K: Float[Tensor, "d_model d_head"],
    ) -> None:
        super().__init__(cfg)
        self.W_Q = nn.Parameter(W_Q.unsqueeze(0))
        self.W_K = nn.Parameter(W_K.unsqueeze(0))
        self.hook_q = HookPoint()
        self.hook_k = HookPoint()

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax."""
        query = self.hook_q(torch.einsum("bpd,hde->bphe", x, self.W_Q))
        key = self.hook_k(torch.einsum("bpd,hde->bphe", x, self.W_K))
        return torch.einsum("bqhe,bkhe->bhqk", query, key) / self.cfg.attn_scale


class TiedAttention(Attention):
    """Queries and keys by one matrix Q: scores <x_i Q, x_j Q> / attn_scale."""

    def __init__(self, cfg: HookedConfig, Q: Float[Tensor, "d_model d_head"], write_at: int):
        super().__init__(cfg, write_at)
        self.Q = nn.Parameter(Q)
        self.hook_q = HookPoint()
        self.hook_k = HookPoint()

    @property
    def W_Q(self) -> Float[Tensor, "1 d_model d_head"]:
        """Q."""
        return self.Q.unsqueeze(0)

    @property
    def W_K(self) -> Float[Tensor, "1 d_model d_head"]:
        """Q as well."""
        return self.Q.unsqueeze(0)

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax."""
        field = (x @ self.Q).unsqueeze(2)
        query, key = self.hook_q(field), self.hook_k(field)
        return torch.einsum("bqhe,bkhe->bhqk", query, key) / self.cfg.attn_scale


class ConstantAttention(Attention):
    """Scores are a learned constant W_mix [pos, pos]; there are no queries and keys."""

    def __init__(self, cfg: HookedConfig, W_mix: Float[Tensor, "pos pos"]) -> None:
        super().__init__(cfg)
        self.W_mix = nn.Parameter(W_mix)

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """The constant matrix, once a sequence so that a hook may write each apart."""
        return self.W_mix.expand(x.shape[0], 1, *self.W_mix.shape).clone()


class MLP(nn.Module):
    """act(x W_in + b_in) W_out + b_out."""

    def __init__(
        self,
        W_in: Float[Tensor, "d_model d_mlp"],
        b_in: Float[Tensor, " d_mlp"],
        W_out: Float[Tensor, "d_mlp d_out"],
        b_out: Float[Tensor, " d_out"],
        activation: Callable[[Tensor], Tensor] = torch.relu,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.W_in = nn.Parameter(W_in)
        self.b_in = nn.Parameter(b_in)
        self.W_out = nn.Parameter(W_out)
        self.b_out = nn.Parameter(b_out)
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_out"]:
        post: Tensor = self.hook_post(self.activation(self.hook_pre(x @ self.W_in + self.b_in)))
        return post @ self.W_out + self.b_out


class AttentionBlock(nn.Module):
    """One layer of attention alone, without a residual: what it mixes is the answer. In the
    widened view the answer has coordinates of its own and adds to the stream."""

    def __init__(self, attn: TiedAttention, widened: bool) -> None:
        super().__init__()
        self.attn = attn
        self.widened = widened
        self.hook_resid_pre = HookPoint()
        self.hook_attn_out = HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_resid_pre(x)
        out: Tensor = self.hook_attn_out(self.attn(pre))
        post: Tensor = self.hook_resid_post(pre + out if self.widened else out)
        return post


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
        chosen = torch.zeros(self.width, self.cfg.d_vocab_out, dtype=self.cfg.dtype)
        chosen.diagonal(-self.read_at).fill_(1)
        return chosen

    def forward(self, x: Float[Tensor, "... d_out"]) -> Float[Tensor, "... classes"]:
        return x[..., self.read_at : self.read_at + self.cfg.d_vocab_out]
