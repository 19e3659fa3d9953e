"""Models as people write them in plain PyTorch, with names of their own, and their mappings."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mechprobe.models import HistogramTask

T, L, D, P = 6, 5, 16, 24
TASK = HistogramTask(T=T, L=L, bos=True)
# Of a `Counter(6, 5, 16, 24)` from seed 0: 800 steps of Adam (5e-3) on 128 fresh sequences each,
# cross-entropy of all positions but that of BOS.
TRAINED = Path(__file__).parents[3] / "data" / "own_counter.pt"


class Heads(nn.Module):
    """Attention with queries, keys and values in one."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.proj_in, self.proj_out = nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        B, N, d = x.shape
        fused = self.proj_in(x).view(B, N, 3, self.heads, d // self.heads)
        q, k, v = fused.permute(2, 0, 3, 1, 4)
        pattern = (q @ k.mT / math.sqrt(d // self.heads)).softmax(-1)
        joined: Tensor = self.proj_out((pattern @ v).transpose(1, 2).reshape(B, N, d))
        return joined


class Layer(nn.Module):
    """A pre-norm block; its gelu is no submodule."""

    def __init__(self, d: int, heads: int, p: int) -> None:
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.att = Heads(d, heads)
        self.up, self.down = nn.Linear(d, p), nn.Linear(p, d)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.att(self.n1(x))
        out: Tensor = x + self.down(functional.gelu(self.up(self.n2(x))))
        return out


class Counter(nn.Module):
    """BOS is the last token; no positions."""

    def __init__(self, T: int = T, L: int = L, d: int = D, p: int = P, layers: int = 1) -> None:
        super().__init__()
        self.tok = nn.Embedding(T + 1, d)
        self.layers = nn.ModuleList(Layer(d, 2, p) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, L + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok(tokens)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.head(self.norm(x))
        return out


COUNTER: dict[str, Any] = {
    "embed": "tok",
    "ln1": "layers.{block}.n1",
    "qkv": "layers.{block}.att.proj_in",
    "o": "layers.{block}.att.proj_out",
    "ln2": "layers.{block}.n2",
    "mlp_in": "layers.{block}.up",
    "mlp_out": "layers.{block}.down",
    "ln_final": "norm",
    "unembed": "head",
}
# What the weights of a `Counter` do not show.
SAID = {"heads": 2, "activation": "gelu", "norm": "pre"}


class Encoder(nn.Module):
    """torch's own encoder: norms after the skips, learned positions, tied to its embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(T + 1, D)
        self.places = nn.Parameter(torch.randn(1, L + 1, D))
        layer = nn.TransformerEncoderLayer(D, 2, P, batch_first=True)
        self.enc = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(D, T + 1, bias=False)
        self.out.weight = self.e.weight

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"logits": self.out(self.enc(self.e(tokens) + self.places))}


ENCODER = {
    "embed": "e",
    "pos_embed": "places",
    "ln1": "enc.layers.{block}.norm1",
    "qkv": "enc.layers.{block}.self_attn.in_proj",
    "o": "enc.layers.{block}.self_attn.out_proj",
    "ln2": "enc.layers.{block}.norm2",
    "mlp_in": "enc.layers.{block}.linear1",
    "mlp_out": "enc.layers.{block}.linear2",
    "unembed": "e",
}


class Products(nn.Module):
    """Parameters as `x @ W`, one a head, all square; the stream itself is the value."""

    def __init__(self, scale: float = 4.0) -> None:
        super().__init__()
        self.scale = scale
        self.E = nn.Parameter(torch.randn(T + 1, D))
        self.Q = nn.Parameter(torch.randn(D, D) / 4)
        self.K = nn.Parameter(torch.randn(D, D) / 4)
        self.W1, self.b1 = nn.Parameter(torch.randn(D, D) / 4), nn.Parameter(torch.randn(D))
        self.W2 = nn.Parameter(torch.randn(D, L + 1))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        x = self.E[tokens]
        pattern = ((x @ self.Q) @ (x @ self.K).mT / self.scale).softmax(-1)
        return torch.relu((x + pattern @ x) @ self.W1 + self.b1) @ self.W2, pattern


PRODUCTS = {
    "embed": "E",
    "q": "Q",
    "k": "K",
    "mlp_in": "W1",
    "mlp_out": "W2",
    "bias": {"mlp_in": "b1"},
}


class OneHead(nn.Module):
    """A head that is a module of its own, and sees what came before alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(D, width, bias=False) for _ in range(3))
        self.register_buffer("tril", torch.ones(L + 1, L + 1).tril())

    def forward(self, x: Tensor) -> Tensor:
        scores = self.query(x) @ self.key(x).mT / math.sqrt(D)
        scores = scores.masked_fill(self.tril == 0, -torch.inf)
        out: Tensor = scores.softmax(-1) @ self.value(x)
        return out


class Causal(nn.Module):
    """Heads side by side without a projection, divided by the root of the stream's width."""

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.pos = nn.Embedding(T + 1, D), nn.Embedding(L + 1, D)
        self.heads = nn.ModuleList(OneHead(D // 2) for _ in range(2))
        self.ff = nn.Sequential(nn.Linear(D, P), nn.ReLU(), nn.Linear(P, L + 1))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.emb(tokens) + self.pos(torch.arange(tokens.shape[1]))
        out: Tensor = self.ff(x + torch.cat([head(x) for head in self.heads], -1))
        return out


CAUSAL = {
    "embed": "emb",
    "pos_embed": "pos",
    "q": "heads.{head}.query",
    "k": "heads.{head}.key",
    "v": "heads.{head}.value",
    "mlp_in": "ff.0",
    "mlp_out": "ff.2",
}


def toml_of(mapping: dict[str, Any], task: str = f"T = {T}\nL = {L}\nbos = true") -> str:
    """A mapping as a file has it."""
    lines = [f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in mapping.items()]
    return "\n".join([*lines, "[task]", task, ""])
