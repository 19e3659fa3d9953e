"""`HookedTransformer`: a counting transformer behind TransformerLens's hooks and accessors.

TransformerLens 4 removed its class of this name; ours keeps its hook names, its cache and its
weight accessors on top of the `HookedRootModule` that TransformerLens 4 keeps.
"""

import copy
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import ActivationCache, FactoredMatrix, HookedRootModule
from transformer_lens.hook_points import HookPoint

from models.counting import CountingConfig, Weights, check, fingerprint
from models.hooked.components import (
    MLP,
    Block,
    ConstantAttention,
    DotAttention,
    Embed,
    HookedConfig,
    Unembed,
)


class HookedTransformer(HookedRootModule):  # type: ignore[misc]
    """A counting transformer as a hooked model, in evaluation mode.

    Two views of the same weights (docs/hooked_model.md): the natural one, whose residual stream
    has the model's own width d and ends in the classes, and `widened()`, whose stream has d +
    classes coordinates so that it is a sum of embed, attention and feed-forward and every
    decomposition of ActivationCache is exact.

    Args:
        config: shape and kind.
        weights: as `models.counting.shapes` names them.
        widened: build the widened view.

    Raises:
        MechprobeError: weights do not fit the configuration.
    """

    def __init__(self, config: CountingConfig, weights: Weights, widened: bool = False) -> None:
        super().__init__()
        check(config, weights)
        self.config = config
        dtype = weights["W_E"].dtype
        extra = config.n_classes if widened else 0
        self.cfg = HookedConfig(
            d_model=config.d + extra,
            d_head=config.d,
            d_mlp=config.p,
            d_vocab=config.n_classes if widened else config.n_vocab,
            d_vocab_out=config.n_classes,
            n_ctx=config.n_ctx,
            attn_scale=config.d**0.5,
            softmax=config.softmax,
            widened=widened,
            dtype=dtype,
        )
        w = {name: weight.detach().clone() for name, weight in weights.items()}
        pad = nn.functional.pad
        self.embed = Embed(pad(w["W_E"], (0, extra)))
        self.hook_embed = HookPoint()
        attention: DotAttention | ConstantAttention
        if config.mixing == "lin":
            attention = ConstantAttention(self.cfg, config.d, w["W_mix"])
        else:
            W_Q, W_K = (pad(w[name], (0, 0, 0, extra)) for name in ("W_Q", "W_K"))
            attention = DotAttention(self.cfg, config.d, W_Q, W_K)
        left = config.d if widened else 0
        mlp = MLP(
            pad(w["W_in"], (0, 0, 0, extra)),
            w["b_in"],
            pad(w["W_out"], (left, 0)),
            pad(w["b_out"], (left, 0)),
        )
        self.blocks = nn.ModuleList([Block(attention, mlp, widened)])
        classes = torch.eye(config.n_classes, dtype=dtype)
        self.unembed = Unembed(pad(classes, (0, 0, left, 0)))
        self.setup()
        self.eval()

    # -- running --------------------------------------------------------------------------------

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        return_type: str = "logits",
        targets: Int[Tensor, "batch scored"] | None = None,
    ) -> Tensor:
        """Logits [batch, pos, classes]; with return_type="loss" the mean cross-entropy of the
        task's targets (computed from the tokens unless given) over the scored positions."""
        resid = self.hook_embed(self.embed(tokens))
        for block in self.blocks:
            resid = block(resid)
        logits: Tensor = self.unembed(resid)
        if return_type == "logits":
            return logits
        if return_type != "loss":
            raise ValueError(f"return_type {return_type!r} is unknown; choose logits or loss")
        task = self.config.task()
        wanted = task.targets(tokens) if targets is None else targets
        scored = task.scored(logits, 1)
        return nn.functional.cross_entropy(scored.flatten(0, 1), wanted.flatten())

    def read_out(self, resid_mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... classes"]:
        """Logits from blocks.0.hook_resid_mid, position by position, through the same hooks:
        what a run with that activation patched in would answer."""
        logits: Tensor = self.unembed(self._block.read_out(resid_mid))
        return logits

    def run_with_cache(  # type: ignore[no-untyped-def]
        self,
        *model_args: Any,
        return_cache_object: bool = True,
        remove_batch_dim: bool = False,
        **kwargs: Any,
    ):
        """Run and cache, as HookedTransformer did: (output, ActivationCache)."""
        out, cache = super().run_with_cache(
            *model_args, remove_batch_dim=remove_batch_dim, **kwargs
        )
        if not return_cache_object:
            return out, cache
        return out, ActivationCache(cache, self, has_batch_dim=not remove_batch_dim)

    # -- views and copies -----------------------------------------------------------------------

    def widened(self) -> "HookedTransformer":
        """The same model with a residual stream [d | classes]; a copy."""
        return HookedTransformer(self.config, self.weights(), widened=True)

    def weights(self) -> Weights:
        """The natural weights, as `models.counting.shapes` names them; copies, detached."""
        c, attn, mlp = self.config, self._block.attn, self._block.mlp
        left = c.d if self.cfg.widened else 0
        mixing: Weights = (
            {"W_mix": attn.W_mix}
            if isinstance(attn, ConstantAttention)
            else {"W_Q": attn.W_Q[0, : c.d], "W_K": attn.W_K[0, : c.d]}
        )
        named = {
            "W_E": self.embed.W_E[:, : c.d],
            **mixing,
            "W_in": mlp.W_in[: c.d],
            "b_in": mlp.b_in,
            "W_out": mlp.W_out[:, left:],
            "b_out": mlp.b_out[left:],
        }
        return {name: weight.detach().clone() for name, weight in named.items()}

    def with_dtype(self, dtype: torch.dtype) -> "HookedTransformer":
        """A copy in another floating-point type."""
        weights = {name: weight.to(dtype) for name, weight in self.weights().items()}
        return HookedTransformer(self.config, weights, self.cfg.widened)

    def fingerprint(self) -> str:
        """Hash of configuration and weights, 16 hex digits."""
        return fingerprint(self.config, self.weights())

    def __deepcopy__(self, memo: dict[int, object]) -> "HookedTransformer":
        # Hook points refer back to the root module, so a copy is built anew.
        twin = HookedTransformer(self.config, self.weights(), self.cfg.widened)
        for mine, other in zip(self.parameters(), twin.parameters(), strict=True):
            other.requires_grad_(mine.requires_grad)
        twin.train(self.training)
        memo[id(self)] = twin
        return twin

    # -- what TransformerLens's utilities ask for -----------------------------------------------

    @property
    def W_E(self) -> Float[Tensor, "vocab d_model"]:
        """Token embeddings; rows are tokens, BOS last."""
        return self.embed.W_E

    @property
    def W_U(self) -> Float[Tensor, "d_out classes"]:
        """Constant selection of the classes."""
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " classes"]:
        """Zero: the last bias of these models is b_out."""
        return self.W_U.new_zeros(self.cfg.d_vocab_out)

    @property
    def W_Q(self) -> Float[Tensor, "layer head d_model d_head"]:
        """Query weights; a `lin` model has none."""
        return self._stacked("attn", "W_Q")

    @property
    def W_K(self) -> Float[Tensor, "layer head d_model d_head"]:
        """Key weights; a `lin` model has none."""
        return self._stacked("attn", "W_K")

    @property
    def W_V(self) -> Float[Tensor, "layer head d_model d_head"]:
        """Constant: values are the raw embeddings."""
        return self._stacked("attn", "W_V")

    @property
    def W_O(self) -> Float[Tensor, "layer head d_head d_model"]:
        """Constant: see W_V."""
        return self._stacked("attn", "W_O")

    @property
    def W_mix(self) -> Float[Tensor, "layer pos pos"]:
        """Constant mixing scores; only a `lin` model has them."""
        return self._stacked("attn", "W_mix")

    @property
    def W_in(self) -> Float[Tensor, "layer d_model d_mlp"]:
        """Input weights of the feed-forward layer."""
        return self._stacked("mlp", "W_in")

    @property
    def b_in(self) -> Float[Tensor, "layer d_mlp"]:
        """Biases of the neurons."""
        return self._stacked("mlp", "b_in")

    @property
    def W_out(self) -> Float[Tensor, "layer d_mlp d_out"]:
        """Output weights of the feed-forward layer."""
        return self._stacked("mlp", "W_out")

    @property
    def b_out(self) -> Float[Tensor, "layer d_out"]:
        """Output biases of the feed-forward layer."""
        return self._stacked("mlp", "b_out")

    @property
    def QK(self) -> FactoredMatrix:
        """W_Q W_K^T, [layer, head, d_model, d_model]."""
        return FactoredMatrix(self.W_Q, self.W_K.transpose(-2, -1))

    @property
    def OV(self) -> FactoredMatrix:
        """W_V W_O, [layer, head, d_model, d_model]."""
        return FactoredMatrix(self.W_V, self.W_O)

    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, " d_model"]:
        """Sum of the biases written to the stream before `layer`; the attention has none."""
        total = self.W_E.new_zeros(self.cfg.d_model)
        if include_mlp_biases:
            for block in [self._block][:layer]:
                total = total + block.mlp.b_out
        return total

    def tokens_to_residual_directions(self, tokens: int | Tensor) -> Float[Tensor, "... d_model"]:
        """Direction of the last residual stream that each answer class is read from."""
        return self.W_U.T[torch.as_tensor(tokens)]

    def to_tokens(self, tokens: Tensor) -> Tensor:
        """Token ids are the only input; returned as they are."""
        return tokens

    def to_single_token(self, token: str | int) -> int:
        """Class or token id from its digits."""
        return int(token)

    def tl_parameters(self) -> dict[str, Tensor]:
        """Weights under TransformerLens's names, constants included."""
        attn, mlp = self._block.attn, self._block.mlp
        named: dict[str, Tensor] = {
            "embed.W_E": self.W_E,
            "blocks.0.attn.W_V": attn.W_V,
            "blocks.0.attn.W_O": attn.W_O,
            "blocks.0.mlp.W_in": mlp.W_in,
            "blocks.0.mlp.b_in": mlp.b_in,
            "blocks.0.mlp.W_out": mlp.W_out,
            "blocks.0.mlp.b_out": mlp.b_out,
            "unembed.W_U": self.W_U,
            "unembed.b_U": self.b_U,
        }
        own = ("W_mix",) if self.config.mixing == "lin" else ("W_Q", "W_K")
        return named | {f"blocks.0.attn.{name}": getattr(attn, name) for name in own}

    @property
    def _block(self) -> Block:
        return cast(Block, self.blocks[0])

    def _stacked(self, part: str, name: str) -> Tensor:
        tensors = [getattr(getattr(block, part), name, None) for block in self.blocks]
        found = [tensor for tensor in tensors if tensor is not None]
        if len(found) < len(tensors):
            raise AttributeError(f"a {self.config.architecture} model has no {name}")
        return torch.stack(found)


def copy_with(model: HookedTransformer, **changed: Tensor) -> HookedTransformer:
    """A copy of a model with some natural weights replaced.

    Raises:
        MechprobeError: a replaced weight does not fit.
    """
    return HookedTransformer(copy.copy(model.config), model.weights() | changed, model.cfg.widened)
