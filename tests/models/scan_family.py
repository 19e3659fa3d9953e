"""A family of the tests' own, without attention: a diagonal scan over the sequence, both ways.

x'_q = x_q + sum_k a^|q - k| g(x_k) x_k, coordinate by coordinate, then a feed-forward layer. The
scan keeps a state and makes no weights; with `weights="made"` it offers them at `hook_pattern`,
made only when that is listened to: [batch, coordinate, query, key], one head a coordinate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights, check_weights
from mechprobe.models.hooked import FAMILIES, Family, HookedConfig, Mixing, model_family
from mechprobe.models.hooked.block import Block
from mechprobe.models.hooked.embedding import Embed
from mechprobe.models.hooked.family import Parts
from mechprobe.models.hooked.feed_forward import MLP
from mechprobe.models.hooked.unembedding import Unembed
from mechprobe.models.tasks import AskedConfig

NO_WEIGHTS = "a scan mixes positions through a state that it carries along, not by weights"


class ScanConfig(AskedConfig):
    """T tokens in sequences of L; by default the gate is the same for all tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["scan"] = "scan"
    T: int
    L: int
    n_layers: int = 1
    weights: Literal["none", "made"] = "none"
    selective: bool = False

    @property
    def architecture(self) -> str:
        return "scan"

    @property
    def n_ctx(self) -> int:
        return self.L

    @property
    def sizes(self) -> dict[str, int]:
        return {"T": self.T, "L": self.L}

    @property
    def usual_task(self) -> dict[str, Any]:
        return HistogramTask(T=self.T, L=self.L, bos=False).describe()


class Scan(nn.Module):
    """Sums of the gated stream from the left and from the right, with decay."""

    part = "mixer"

    def __init__(self, config: ScanConfig, decay: Tensor, gate: Tensor) -> None:
        super().__init__()
        self.config = config
        self.decay, self.gate = nn.Parameter(decay), nn.Parameter(gate)
        self.hook_gated = HookPoint()
        if config.weights == "made":
            self.hook_pattern = HookPoint()

    def mixing(self, prefix: str) -> Mixing:
        if self.config.weights == "none":
            return Mixing(no_weights=NO_WEIGHTS)
        hooks = {"pattern": f"{prefix}hook_pattern"}
        return Mixing(hooks, self.config.T, constant=not self.config.selective)

    def forward(self, x: Float[Tensor, "batch pos d"]) -> Float[Tensor, "batch pos d"]:
        share = (x @ self.gate if self.config.selective else self.gate.mean()) * torch.ones_like(
            x[..., 0]
        )
        gated = self.hook_gated(x * share.unsqueeze(-1))
        out = self._scanned(gated) + self._scanned(gated.flip(1)).flip(1) - gated
        if self.config.weights == "made" and self.hook_pattern.has_hooks():
            made = self.matrix(share)
            written = self.hook_pattern(made.clone())
            # As long as nobody writes, the scan's own numbers stay.
            if not torch.equal(made, written):
                return torch.einsum("bdqk,bkd->bqd", written, x)
        return out

    def matrix(self, share: Float[Tensor, "batch pos"]) -> Float[Tensor, "batch d q k"]:
        places = torch.arange(share.shape[1])
        far = (places.unsqueeze(1) - places).abs()
        return self.decay.view(-1, 1, 1) ** far * share.view(len(share), 1, 1, -1)

    def _scanned(self, gated: Float[Tensor, "batch pos d"]) -> Float[Tensor, "batch pos d"]:
        states = [gated[:, 0]]
        for now in gated.unbind(1)[1:]:
            states.append(self.decay * states[-1] + now)
        return torch.stack(states, 1)


class ScanFamily(Family):
    """What the registry is given; no widened view."""

    def config(self, data: object, where: str) -> ScanConfig:
        return validated(ScanConfig, data, where)

    def check(self, config: ScanConfig, weights: Weights, where: str = "weights") -> None:
        check_weights(shapes(config), weights, where, "scan", f"T={config.T}, L={config.L}")

    def build(self, config: ScanConfig, weights: Weights, widened: bool) -> Parts:
        assert not widened
        T, classes = config.T, config.L + 1
        cfg = HookedConfig(
            d_model=T,
            d_mlp=T,
            d_vocab=T,
            d_vocab_out=classes,
            n_ctx=config.L,
            dtype=weights["W_E"].dtype,
            n_layers=config.n_layers,
            n_heads=0,
        )
        blocks: list[nn.Module] = []
        for layer in range(config.n_layers):
            w = {name.split(".")[-1]: weights[name] for name in of_layer(config, layer)}
            mlp = MLP(w["W_in"], w["b_in"], w["W_out"], w["b_out"])
            skips = (True, layer < config.n_layers - 1)
            blocks.append(Block(Scan(config, w["decay"], w["gate"]), mlp, {}, skips))
        return Parts(cfg, Embed(weights["W_E"]), None, blocks, Unembed(cfg, classes, 0))

    def natural(self, config: ScanConfig, parts: Parts) -> Weights:
        named = {"W_E": parts.embed.W_E}
        for layer, block in enumerate(parts.blocks):
            for name in of_layer(config, layer):
                last = name.split(".")[-1]
                named[name] = getattr(block.mixer if last in ("decay", "gate") else block.mlp, last)
        return named


def of_layer(config: ScanConfig, layer: int) -> dict[str, tuple[int, ...]]:
    T, out = config.T, config.T if layer < config.n_layers - 1 else config.L + 1
    shapes = {"decay": (T,), "gate": (T,), "W_in": (T, T), "b_in": (T,)}
    shapes |= {"W_out": (T, out), "b_out": (out,)}
    return {f"blocks.{layer}.{name}": shape for name, shape in shapes.items()}


def shapes(config: ScanConfig) -> dict[str, tuple[int, ...]]:
    layers = [of_layer(config, layer) for layer in range(config.n_layers)]
    return {"W_E": (config.T, config.T)} | {n: s for layer in layers for n, s in layer.items()}


@contextmanager
def registered() -> Iterator[None]:
    """While this lasts the family is known, as if a package had brought it."""
    with FAMILIES.isolated():
        model_family("scan")(ScanFamily)
        yield


def counter(T: int = 8, L: int = 6, **kind: object) -> HookedTransformer:
    """A scan that counts, written by hand, inventory-based.

    Tokens are unit vectors. Without decay x' of a token seen c times has 1 + g c on its own
    coordinate and less than 1 on all others; neuron t reads x'_t - 1 = g c, and the answer is
    argmax_k 2 k c - k^2. Only the last block does it; earlier ones pass the stream on.
    """
    config = ScanConfig(T=T, L=L, **kind)
    tokens = torch.arange(T, dtype=torch.float64)
    gate = (0.5 + 0.5 * tokens / T) / L if config.selective else torch.full((T,), 0.9 / L)
    classes = torch.arange(L + 1, dtype=torch.float64)
    weights = {name: torch.zeros(shape).double() for name, shape in shapes(config).items()}
    weights["W_E"] = torch.eye(T, dtype=torch.float64)
    last = {
        "decay": torch.ones(T),
        "gate": gate,
        "W_in": torch.eye(T),
        "b_in": -torch.ones(T),
        "W_out": 2 * classes / gate.unsqueeze(1),
        "b_out": -classes.square(),
    }
    for name, weight in last.items():
        weights[f"blocks.{config.n_layers - 1}.{name}"] = weight.double()
    return HookedTransformer(config, weights)
