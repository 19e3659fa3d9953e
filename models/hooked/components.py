"""Layers of the hooked model, with TransformerLens's hook names; every hook reads and writes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint


@dataclass
class HookedConfig:
    """What TransformerLens's utilities ask of a model's `cfg`.

    `d_model` is the width of the residual stream of this view; `d_vocab` counts input tokens in
    the natural view and classes in the widened one (where W_U lives in the residual stream).
    """

    d_model: int
    d_head: int
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


class Embed(nn.Module):
    """Token embedding W_E [vocab, d_model]."""

    def __init__(self, W_E: Float[Tensor, "vocab d_model"]) -> None:
        super().__init__()
        self.W_E = nn.Parameter(W_E)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return self.W_E[tokens]


class Attention(nn.Module):
    """Mixing of positions: scores, pattern (after the softmax, where there is one), z, out.

    W_V and W_O are constants: values are the raw embeddings (arXiv:2407.11542, section 2).
    """

    W_V: Tensor
    W_O: Tensor

    def __init__(self, cfg: HookedConfig, d_value: int) -> None:
        super().__init__()
        self.cfg = cfg
        select = torch.eye(cfg.d_model, d_value, dtype=cfg.dtype)
        self.register_buffer("W_V", select.unsqueeze(0).clone(), persistent=False)
        self.register_buffer("W_O", select.T.unsqueeze(0).clone(), persistent=False)
        self.hook_v = HookPoint()
        self.hook_attn_scores = HookPoint()
        self.hook_pattern = HookPoint()
        self.hook_z = HookPoint()

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        value = self.hook_v(torch.einsum("bpd,hde->bphe", x, self.W_V))
        scores = self.hook_attn_scores(self.scores(x))
        pattern = self.hook_pattern(scores.softmax(-1) if self.cfg.softmax else scores)
        z = self.hook_z(torch.einsum("bhqk,bkhe->bqhe", pattern, value))
        return torch.einsum("bqhe,hed->bqd", z, self.W_O)


class DotAttention(Attention):
    """Scores <x_i W_Q, x_j W_K> / attn_scale."""

    def __init__(
        self,
        cfg: HookedConfig,
        d_value: int,
        W_Q: Float[Tensor, "d_model d_head"],
        W_K: Float[Tensor, "d_model d_head"],
    ) -> None:
        super().__init__(cfg, d_value)
        self.W_Q = nn.Parameter(W_Q.unsqueeze(0))
        self.W_K = nn.Parameter(W_K.unsqueeze(0))
        self.hook_q = HookPoint()
        self.hook_k = HookPoint()

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax."""
        query = self.hook_q(torch.einsum("bpd,hde->bphe", x, self.W_Q))
        key = self.hook_k(torch.einsum("bpd,hde->bphe", x, self.W_K))
        return torch.einsum("bqhe,bkhe->bhqk", query, key) / self.cfg.attn_scale


class ConstantAttention(Attention):
    """Scores are a learned constant W_mix [pos, pos]; there are no queries and keys."""

    def __init__(self, cfg: HookedConfig, d_value: int, W_mix: Float[Tensor, "pos pos"]) -> None:
        super().__init__(cfg, d_value)
        self.W_mix = nn.Parameter(W_mix)

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """The constant matrix, once a sequence so that a hook may write each apart."""
        return self.W_mix.expand(x.shape[0], 1, *self.W_mix.shape).clone()


class MLP(nn.Module):
    """relu(x W_in + b_in) W_out + b_out."""

    def __init__(
        self,
        W_in: Float[Tensor, "d_model d_mlp"],
        b_in: Float[Tensor, " d_mlp"],
        W_out: Float[Tensor, "d_mlp d_out"],
        b_out: Float[Tensor, " d_out"],
    ) -> None:
        super().__init__()
        self.W_in = nn.Parameter(W_in)
        self.b_in = nn.Parameter(b_in)
        self.W_out = nn.Parameter(W_out)
        self.b_out = nn.Parameter(b_out)
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_out"]:
        post: Tensor = self.hook_post(self.hook_pre(x @ self.W_in + self.b_in).relu())
        return post @ self.W_out + self.b_out


class Block(nn.Module):
    """One layer. In the natural view the feed-forward replaces the stream, for it answers in
    classes; in the widened view it adds to it, in coordinates of its own."""

    def __init__(self, attn: DotAttention | ConstantAttention, mlp: MLP, widened: bool) -> None:
        super().__init__()
        self.attn = attn
        self.mlp = mlp
        self.widened = widened
        self.hook_resid_pre = HookPoint()
        self.hook_attn_out = HookPoint()
        self.hook_resid_mid = HookPoint()
        self.hook_mlp_out = HookPoint()
        self.hook_resid_post = HookPoint()

    def read_out(self, mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_out"]:
        """From hook_resid_mid to hook_resid_post; acts on every position alone."""
        out: Tensor = self.hook_mlp_out(self.mlp(mid))
        post: Tensor = self.hook_resid_post(mid + out if self.widened else out)
        return post

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_out"]:
        pre = self.hook_resid_pre(x)
        mid = self.hook_resid_mid(pre + self.hook_attn_out(self.attn(pre)))
        return self.read_out(mid)


class Unembed(nn.Module):
    """Picks the classes out of the last residual stream; a constant, not a learned map."""

    W_U: Tensor

    def __init__(self, W_U: Float[Tensor, "d_out classes"]) -> None:
        super().__init__()
        self.register_buffer("W_U", W_U, persistent=False)

    def forward(self, x: Float[Tensor, "... d_out"]) -> Float[Tensor, "... classes"]:
        return x @ self.W_U
