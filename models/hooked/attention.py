"""Attention of one head or several: by queries and keys, by one matrix for both, or constant."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.weights import Weights
from mechprobe.models.hooked.config import HookedConfig
from mechprobe.models.hooked.masks import Half
from mechprobe.models.hooked.mixers import Mixing

CONSTANTS = ("W_V", "W_O")  # selections of coordinates where none are learned


class Attention(nn.Module):
    """Mixing of positions: scores, pattern (after the softmax, where there is one), z, out.

    Args:
        cfg: of the view.
        weights: what scores come from: W_Q and W_K [head, d_model, d_head], one Q [d_model,
            d_head] for both, or a constant W_mix [head, pos, pos], without the first axis where
            there is one head. Beside them W_V, W_O and biases where the model has them. Without
            W_V values are the first d_value coordinates of the stream as they are
            (arXiv:2407.11542, section 2; arXiv:2402.03902, section 2), without W_O what heads
            read goes to the coordinates from `write_at` on: both are constants then.
        seen: coordinates that queries and keys see; W_Q and W_K are zero in the others.
        write_at: first coordinate that is written to without W_O.
    """

    part = "attn"
    W_Q: Tensor
    W_K: Tensor
    Q: Tensor
    W_mix: Tensor
    W_V: Tensor
    W_O: Tensor

    def __init__(
        self,
        cfg: HookedConfig,
        weights: Weights,
        seen: Bool[Tensor, " d_model"] | None = None,
        write_at: int = 0,
    ) -> None:
        super().__init__()
        self.cfg = cfg
        self.write_at = write_at
        self.own = tuple(weights)
        self.halves = nn.ModuleDict()
        for name, weight in weights.items():
            if seen is not None and name in ("W_Q", "W_K"):
                self.halves[name] = Half(weight, seen.unsqueeze(-1))
            self.register_parameter(name, nn.Parameter(self._through("shown", name, weight)))
        if "W_mix" not in self.own:
            self.hook_q = HookPoint()
            self.hook_k = HookPoint()
        self.hook_v = HookPoint()
        self.hook_attn_scores = HookPoint()
        self.hook_pattern = HookPoint()
        self.hook_z = HookPoint()

    def mixing(self, prefix: str) -> Mixing:
        """What it is to those who measure it."""
        there = {prefix + name for name, _ in self.named_children()}
        constant = "W_mix" in self.own
        return Mixing.at(prefix, there, self.cfg.n_heads, self.cfg.softmax, constant)

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        scores = self.hook_attn_scores(self.scores(x))
        # Slices, not products with constants: the same numbers, and d^2 fewer of them.
        # A copy each: TransformerLens's patching writes in place, and the stream is not to change.
        raw = x[..., None, : self.cfg.d_value].repeat(1, 1, self.cfg.n_heads, 1)
        value = self.hook_v(self._per_head(x, "V") if "W_V" in self.own else raw)
        if self.cfg.causal:  # scores at the hook are whole, and finite: the mask comes after it
            hidden = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(hidden, -torch.inf if self.cfg.softmax else 0.0)
        pattern = self.hook_pattern(scores.softmax(-1) if self.cfg.softmax else scores)
        z = self.hook_z(torch.einsum("bhqk,bkhe->bqhe", pattern, value))
        if "W_O" not in self.own:
            right = self.cfg.d_model - self.cfg.d_value - self.write_at
            return nn.functional.pad(z.sum(2), (self.write_at, right))
        out = torch.einsum("bqhe,hed->bqd", z, self.W_O)
        b_O: Tensor | None = getattr(self, "b_O", None)
        return out if b_O is None else out + b_O

    def scores(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch head q k"]:
        """Mixing scores before the softmax; a constant matrix once a sequence, so that a hook may
        write each apart."""
        if "W_mix" in self.own:
            size = (x.shape[0], self.cfg.n_heads, *self.W_mix.shape[-2:])
            return self.W_mix.expand(size).clone()
        if "Q" in self.own:
            field = (x @ self.Q).unsqueeze(2)
            query, key = self.hook_q(field), self.hook_k(field)
        else:
            query, key = self.hook_q(self._per_head(x, "Q")), self.hook_k(self._per_head(x, "K"))
        return torch.einsum("bqhe,bkhe->bhqk", query, key) / self.cfg.attn_scale

    def stored(self) -> Weights:
        """The weights it was built from."""
        return {name: self._through("stored", name, getattr(self, name)) for name in self.own}

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        # Constants are made when asked for: no parameters, and not in the state dict.
        if name in CONSTANTS and name not in self.own:
            return self._constant(name)
        if name in ("W_Q", "W_K") and "Q" in self.own:
            return self.Q.unsqueeze(0)
        return super().__getattr__(name)

    def _constant(self, name: str) -> Tensor:
        size, width = self.cfg.d_value, self.cfg.d_model
        chosen = torch.zeros(size, width, dtype=self.cfg.dtype, device=self.cfg.device)
        chosen.diagonal(self.write_at if name == "W_O" else 0).fill_(1)
        one = chosen if name == "W_O" else chosen.mT
        return one.expand(self.cfg.n_heads, -1, -1)

    def _per_head(self, x: Tensor, kind: str) -> Float[Tensor, "batch pos head e"]:
        W = self._through("shown", f"W_{kind}", getattr(self, f"W_{kind}"))
        b: Tensor | None = getattr(self, f"b_{kind}", None)
        projected = torch.einsum("bpd,hde->bphe", x, W)
        return projected if b is None else projected + b

    def _through(self, what: str, name: str, weight: Tensor) -> Tensor:
        if name not in self.halves:
            return weight
        found: Tensor = getattr(self.halves[name], what)(weight)
        return found
