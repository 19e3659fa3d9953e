"""`HookedTransformer`: a small attention model behind TransformerLens's hooks and accessors.

TransformerLens 4 removed its class of this name; ours keeps its hook names, its cache and its
weight accessors on top of the `HookedRootModule` that TransformerLens 4 keeps.
"""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import ActivationCache, FactoredMatrix, HookedRootModule
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.weights import Weights, fingerprint
from mechprobe.models.hooked.family import FAMILIES, ModelConfig
from mechprobe.models.hooked.mixers import Mixing
from mechprobe.models.tasks import Task


class HookedTransformer(HookedRootModule):  # type: ignore[misc]
    """A model of one of the known families as a hooked model, in evaluation mode.

    Two views of the same weights (docs/hooked_model.md): the natural one, whose residual stream
    has the model's own width d and ends in the answer, and `widened()`, whose stream has
    coordinates of their own for the answer so that it is a sum of what the layers write and
    every decomposition of ActivationCache is exact. Models with an unembedding have the natural
    view alone, models with LayerNorm or without residual as well.

    Args:
        config: shape and kind, a `CountingConfig`, `TransformerConfig` or `SolvableConfig`.
        weights: as the family's `shapes` names them.
        widened: build the widened view.

    Raises:
        MechprobeError: weights do not fit the configuration, or there is no widened view.
    """

    def __init__(self, config: ModelConfig, weights: Weights, widened: bool = False) -> None:
        super().__init__()
        self.family = FAMILIES.find(config.family, "configuration")
        self.family.check(config, weights)
        # Its type is the family's; what is special to one is asked for by code that knows it.
        self.config: Any = config
        own = {name: weight.detach().clone() for name, weight in weights.items()}
        self.parts = self.family.build(config, own, widened)
        self.cfg = self.parts.cfg
        self.embed: Any = self.parts.embed
        self.hook_embed = HookPoint()
        if self.parts.pos_embed is not None:
            self.pos_embed = self.parts.pos_embed
            self.hook_pos_embed = HookPoint()
        # Iterating gives plain modules; what a layer has is up to the family.
        self.blocks: Any = nn.ModuleList(self.parts.blocks)
        if self.parts.ln_final is not None:
            self.ln_final = self.parts.ln_final
        self.unembed = self.parts.unembed
        self.setup()
        self.eval()

    # -- running --------------------------------------------------------------------------------

    def forward(
        self, inputs: Tensor, return_type: str = "logits", targets: Tensor | None = None
    ) -> Tensor:
        """Answers [batch, pos, classes] (of width d for solvable models) to token ids [batch,
        pos] or vectors [batch, pos, d]; with return_type="loss" the task's mean loss, against
        its own targets unless others are given.

        Raises:
            MechprobeError: inputs of the wrong shape or type.
        """
        resid = self._embedded(inputs)
        for block in self.blocks:
            resid = block(resid)
        answers = self._answers(resid)
        if return_type == "logits":
            return answers
        if return_type != "loss":
            raise ValueError(f"return_type {return_type!r} is unknown; choose logits or loss")
        return self.task().loss(answers, inputs, targets)

    def resid_mid(self, inputs: Tensor) -> Float[Tensor, "batch pos d_model"]:
        """hook_resid_mid of the last block of a run that ends there, through the same hooks: what
        `read_out` goes on from. After the last attention every position is read alone.

        Raises:
            AttributeError: the model has no feed-forward layer.
        """
        resid, blocks = self._embedded(inputs), list(self.blocks)
        for block in blocks[:-1]:
            resid = block(resid)
        mid: Tensor = blocks[-1].mix(resid)
        return mid

    def read_out(self, resid_mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... classes"]:
        """Logits from hook_resid_mid of the last block, position by position, through the same
        hooks: what a run with that activation patched in would answer.

        Raises:
            AttributeError: the model has no feed-forward layer.
        """
        return self._answers(self.blocks[-1].read_out(resid_mid))

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

    def _answers(self, resid: Tensor) -> Tensor:
        """From the last hook_resid_post to the logits."""
        normed = resid if self.parts.ln_final is None else self.ln_final(resid)
        answers: Tensor = self.unembed(normed)
        return answers

    def _embedded(self, inputs: Tensor) -> Tensor:
        resid: Tensor = self.hook_embed(self.embed(inputs))
        if self.parts.pos_embed is not None:
            resid = resid + self.hook_pos_embed(self.parts.pos_embed(inputs))
        return resid

    @property
    def mixers(self) -> list[Mixing]:
        """What mixes positions in every block, and what there is to measure of it."""
        layers = [block.mixing_layer for block in self.blocks]
        return [layer.mixing(f"blocks.{i}.{layer.part}.") for i, layer in enumerate(layers)]

    # -- views and copies -----------------------------------------------------------------------

    def widened(self) -> "HookedTransformer":
        """The same model with a residual stream [d | classes]; a copy."""
        return HookedTransformer(self.config, self.weights(), widened=True)

    def weights(self) -> Weights:
        """The natural weights, as the family's `shapes` names them; copies, detached."""
        named = self.family.natural(self.config, self.parts)
        return {name: weight.detach().clone() for name, weight in named.items()}

    def task(self) -> Task:
        """What the model was asked."""
        weights = self.family.natural(self.config, self.parts)
        return self.family.task(self.config, {n: w.detach() for n, w in weights.items()})

    def with_dtype(self, dtype: torch.dtype) -> "HookedTransformer":
        """A copy in another floating-point type."""
        weights = {name: weight.to(dtype) for name, weight in self.weights().items()}
        return HookedTransformer(self.config, weights, self.cfg.widened)

    def fingerprint(self) -> str:
        """Hash of configuration and weights, 16 hex digits."""
        return fingerprint(self.config.model_dump_json(), self.weights())

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
        """Token embeddings; rows are tokens, BOS last. Models that read vectors have none."""
        if self.parts.takes_vectors:
            raise AttributeError(f"a {self.config.architecture} model reads vectors, it has no W_E")
        W_E: Tensor = self.embed.W_E
        return W_E

    @property
    def W_pos(self) -> Float[Tensor, "pos d_model"]:
        """Positional encodings; only models that know positions have them."""
        if self.parts.pos_embed is None:
            raise AttributeError(f"a {self.config.architecture} model has no W_pos")
        return self.parts.pos_embed.W_pos

    @property
    def W_U(self) -> Float[Tensor, "d_out classes"]:
        """Unembedding; a constant selection of the answer where none is learned."""
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " classes"]:
        """Bias of a learned unembedding; zero where none is learned, b_out is the last one then."""
        zero = torch.zeros(self.cfg.d_vocab_out, dtype=self.cfg.dtype)
        b_U: Tensor = getattr(self.unembed, "b_U", zero)
        return b_U

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
        """Value weights; a constant selection where values are raw."""
        return self._stacked("attn", "W_V")

    @property
    def W_O(self) -> Float[Tensor, "layer head d_head d_model"]:
        """Output weights of the heads; see W_V."""
        return self._stacked("attn", "W_O")

    @property
    def b_Q(self) -> Float[Tensor, "layer head d_head"]:
        """Biases of the queries; zero where there are none."""
        return self._biases("b_Q", self.W_Q[:, :, 0])

    @property
    def b_K(self) -> Float[Tensor, "layer head d_head"]:
        """Biases of the keys; zero where there are none."""
        return self._biases("b_K", self.W_K[:, :, 0])

    @property
    def b_V(self) -> Float[Tensor, "layer head d_value"]:
        """Biases of the values; zero where there are none."""
        return self._biases("b_V", self.W_V[:, :, 0])

    @property
    def b_O(self) -> Float[Tensor, "layer d_model"]:
        """Biases of the attention's output; zero where there are none."""
        return self._biases("b_O", self.W_O[:, 0, 0])

    @property
    def W_mix(self) -> Float[Tensor, "layer *head pos pos"]:
        """Constant mixing scores of a `lin` model; the family "counting" has no head axis."""
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
        """Sum of the biases written to the stream before `layer`, or before its feed-forward."""
        total = torch.zeros(self.cfg.d_model, dtype=self.cfg.dtype)
        for block in list(self.blocks)[: layer + mlp_input]:
            total = total + getattr(block.mixing_layer, "b_O", 0)
        if include_mlp_biases and not self.cfg.attn_only:
            for block in list(self.blocks)[:layer]:
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
        named: dict[str, Tensor] = {"unembed.W_U": self.W_U, "unembed.b_U": self.b_U}
        if not self.parts.takes_vectors:
            named["embed.W_E"] = self.W_E
        if self.parts.pos_embed is not None:
            named["pos_embed.W_pos"] = self.W_pos
        biases = ("b_Q", "b_K", "b_V", "b_O")
        places = {
            "attn": ("W_Q", "W_K", "W_mix", "W_V", "W_O", *biases),
            "ln1": ("w", "b"),
            "ln2": ("w", "b"),
            "mlp": ("W_in", "b_in", "W_out", "b_out"),
        }
        for layer, block in enumerate(self.blocks):
            for part, names in places.items():
                for name in names:
                    weight = getattr(getattr(block, part, None), name, None)
                    if weight is not None:
                        named[f"blocks.{layer}.{part}.{name}"] = weight
        if self.parts.ln_final is not None:
            named |= {"ln_final.w": self.ln_final.w, "ln_final.b": self.ln_final.b}
        return named

    def __getattr__(self, name: str) -> Any:
        # torch hides why a property has no value; its own message says more.
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fget is not None:
            return own.fget(self)
        return super().__getattr__(name)

    def _stacked(self, part: str, name: str) -> Tensor:
        tensors = [getattr(getattr(block, part, None), name, None) for block in self.blocks]
        found = [tensor for tensor in tensors if tensor is not None]
        if len(found) < len(tensors):
            raise AttributeError(f"a {self.config.architecture} model has no {name}")
        if len({tensor.shape for tensor in found}) > 1:
            raise AttributeError(f"{name} differs in shape by layer; read blocks[l].{part}.{name}")
        return torch.stack(found)

    def _biases(self, name: str, like: Tensor) -> Tensor:
        known = all(getattr(block.attn, name, None) is not None for block in self.blocks)
        return self._stacked("attn", name) if known else torch.zeros_like(like)


def copy_with(model: HookedTransformer, **changed: Tensor) -> HookedTransformer:
    """A copy of a model with some natural weights replaced.

    Raises:
        MechprobeError: a replaced weight does not fit.
    """
    return HookedTransformer(copy.copy(model.config), model.weights() | changed, model.cfg.widened)
