"""More layers of the hooked model: several heads, learned positions, LayerNorm, unembedding."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.weights import Weights
from mechprobe.models.hooked.components import MLP, Attention, Embed, HookedConfig


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


class HalfEmbed(Embed):
    """Token embedding that keeps some coordinates; W_E is zero in the others."""

    def __init__(self, W_E: Float[Tensor, "vocab d_model"], keep: Bool[Tensor, " d_model"]) -> None:
        half = Half(W_E, keep)
        super().__init__(half.shown(W_E))
        self.kept = half

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return self.kept.shown(self.W_E)[tokens]


class LearnedPosEmbed(nn.Module):
    """Learned positional embeddings W_pos [pos, d_model], some coordinates kept where a mask
    says so."""

    def __init__(
        self, W_pos: Float[Tensor, "pos d_model"], keep: Bool[Tensor, " d_model"] | None = None
    ) -> None:
        super().__init__()
        self.kept = None if keep is None else Half(W_pos, keep)
        self.W_pos = nn.Parameter(W_pos if self.kept is None else self.kept.shown(W_pos))

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """The embeddings, once a sequence so that a hook may write each apart."""
        W_pos = self.W_pos if self.kept is None else self.kept.shown(self.W_pos)
        places = W_pos[: tokens.shape[1]]
        return places.expand(tokens.shape[0], *places.shape).clone()


class LayerNorm(nn.Module):
    """LayerNorm; hook_normalized stands before the weight and bias, as in TransformerBridge."""

    def __init__(self, w: Float[Tensor, " d_model"], b: Float[Tensor, " d_model"], eps: float):
        super().__init__()
        self.w = nn.Parameter(w)
        self.b = nn.Parameter(b)
        self.eps = eps
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        centred = x - x.mean(-1, keepdim=True)
        scale = self.hook_scale((centred.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        normalized: Tensor = self.hook_normalized(centred / scale)
        return normalized * self.w + self.b


class HeadsAttention(nn.Module):
    """Attention of several heads; queries and keys, or a constant matrix a head.

    Args:
        cfg: of the view.
        weights: W_Q and W_K, or W_mix, [head, ...]; W_V, W_O and biases where the model has them.
            Without W_V values are the first d_value coordinates of the stream as they are, without
            W_O what heads read goes back to these coordinates: both are constants then.
        seen: coordinates that queries and keys see; W_Q and W_K are zero in the others.
    """

    W_Q: Tensor
    W_K: Tensor
    W_mix: Tensor
    W_V: Tensor
    W_O: Tensor

    def __init__(
        self, cfg: HookedConfig, weights: Weights, seen: Bool[Tensor, " d_model"] | None = None
    ) -> None:
        super().__init__()
        self.cfg = cfg
        self.own = tuple(weights)
        self.halves = nn.ModuleDict()
        for name, weight in weights.items():
            if seen is not None and name in ("W_Q", "W_K"):
                self.halves[name] = Half(weight, seen.unsqueeze(-1))
            self.register_parameter(name, nn.Parameter(self._shown(name, weight)))
        select = torch.eye(cfg.d_model, cfg.d_value, dtype=cfg.dtype).expand(cfg.n_heads, -1, -1)
        for name, constant in {"W_V": select, "W_O": select.mT}.items():
            if name not in weights:
                self.register_buffer(name, constant, persistent=False)
        if not cfg.constant_mixing:
            self.hook_q = HookPoint()
            self.hook_k = HookPoint()
        self.hook_v = HookPoint()
        self.hook_attn_scores = HookPoint()
        self.hook_pattern = HookPoint()
        self.hook_z = HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        scores = self.hook_attn_scores(self.scores(x))
        # Slices, not products with constants: the same numbers, and d^2 fewer of them.
        # A copy each: TransformerLens's patching writes in place, and the stream is not to change.
        raw = x[..., None, : self.cfg.d_value].repeat(1, 1, self.cfg.n_heads, 1)
        value = self.hook_v(self._per_head(x, "V") if "W_V" in self.own else raw)
        pattern = self.hook_pattern(scores.softmax(-1) if self.cfg.softmax else scores)
        z = self.hook_z(torch.einsum("bhqk,bkhe->bqhe", pattern, value))
        if "W_O" not in self.own:
            return nn.functional.pad(z.sum(2), (0, self.cfg.d_model - self.cfg.d_value))
        out = torch.einsum("bqhe,hed->bqd", z, self.W_O)
        b_O: Tensor | None = getattr(self, "b_O", None)
        return out if b_O is None else out + b_O

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax; a constant matrix once a sequence, so that a hook may
        write each apart."""
        if self.cfg.constant_mixing:
            return self.W_mix.expand(x.shape[0], -1, -1, -1).clone()
        query, key = self.hook_q(self._per_head(x, "Q")), self.hook_k(self._per_head(x, "K"))
        return torch.einsum("bqhe,bkhe->bhqk", query, key) / self.cfg.attn_scale

    def stored(self) -> Weights:
        """The weights it was built from."""
        return {name: self._through("stored", name, getattr(self, name)) for name in self.own}

    def _per_head(self, x: Tensor, kind: str) -> Float[Tensor, "batch pos head e"]:
        W = self._shown(f"W_{kind}", getattr(self, f"W_{kind}"))
        b: Tensor | None = getattr(self, f"b_{kind}", None)
        projected = torch.einsum("bpd,hde->bphe", x, W)
        return projected if b is None else projected + b

    def _shown(self, name: str, weight: Tensor) -> Tensor:
        return self._through("shown", name, weight)

    def _through(self, what: str, name: str, weight: Tensor) -> Tensor:
        if name not in self.halves:
            return weight
        found: Tensor = getattr(self.halves[name], what)(weight)
        return found


class TransformerBlock(nn.Module):
    """One layer: attention and feed-forward, each with a norm before it where there is one.

    Without a skip a layer replaces the stream, as a feed-forward that answers in classes does in
    the natural view; in the widened view it adds to it, in coordinates of its own.

    Args:
        attn: attention.
        mlp: feed-forward.
        norms: ln1 and ln2, where there are.
        skips: whether the stream goes around attention and around the feed-forward.
    """

    def __init__(
        self,
        attn: HeadsAttention | Attention,
        mlp: MLP,
        norms: dict[str, LayerNorm],
        skips: tuple[bool, bool],
    ) -> None:
        super().__init__()
        for name, norm in norms.items():
            self.add_module(name, norm)
        self.norms = tuple(norms)
        self.attn = attn
        self.mlp = mlp
        self.skips = skips
        self.hook_resid_pre = HookPoint()
        self.hook_attn_out = HookPoint()
        self.hook_resid_mid = HookPoint()
        self.hook_mlp_out = HookPoint()
        self.hook_resid_post = HookPoint()

    def mix(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """From hook_resid_pre to hook_resid_mid."""
        pre = self.hook_resid_pre(x)
        out: Tensor = self.hook_attn_out(self.attn(self._normed("ln1", pre)))
        mid: Tensor = self.hook_resid_mid(pre + out if self.skips[0] else out)
        return mid

    def read_out(self, mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_out"]:
        """From hook_resid_mid to hook_resid_post; acts on every position alone."""
        out: Tensor = self.hook_mlp_out(self.mlp(self._normed("ln2", mid)))
        post: Tensor = self.hook_resid_post(mid + out if self.skips[1] else out)
        return post

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_out"]:
        return self.read_out(self.mix(x))

    def _normed(self, name: str, x: Tensor) -> Tensor:
        return getattr(self, name)(x) if name in self.norms else x


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
