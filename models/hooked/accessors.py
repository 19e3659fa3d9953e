"""Weights of a hooked model under the names that TransformerLens's utilities ask for."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import FactoredMatrix, HookedRootModule

from mechprobe.models.tasks.inputs import checked_ids


class WeightAccessors(HookedRootModule):  # type: ignore[misc]
    """The part of a hooked model that reads its weights, stacked over layers where there are some.

    It is a base class of `HookedTransformer`, which sets what it reads.
    """

    config: Any
    cfg: Any
    parts: Any
    embed: Any
    blocks: Any
    unembed: Any
    ln_final: Any

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
        W_pos: Tensor = self.parts.pos_embed.W_pos
        return W_pos

    @property
    def W_U(self) -> Float[Tensor, "d_out classes"]:
        """Unembedding; a constant selection of the answer where none is learned."""
        W_U: Tensor = self.unembed.W_U
        return W_U

    @property
    def b_U(self) -> Float[Tensor, " classes"]:
        """Bias of a learned unembedding; zero where none is learned, b_out is the last one then."""
        zero = torch.zeros(self.cfg.d_vocab_out, dtype=self.cfg.dtype, device=self.cfg.device)
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
        total = torch.zeros(self.cfg.d_model, dtype=self.cfg.dtype, device=self.cfg.device)
        for block in list(self.blocks)[: layer + mlp_input]:
            total = total + getattr(block.mixing_layer, "b_O", 0)
        if include_mlp_biases and not self.cfg.attn_only:
            for block in list(self.blocks)[:layer]:
                total = total + block.mlp.b_out
        return total

    def tokens_to_residual_directions(self, tokens: int | Tensor) -> Float[Tensor, "... d_model"]:
        """Direction of the last residual stream that each answer class is read from.

        Raises:
            MechprobeError: there is no such class.
        """
        directions = self.W_U.T
        asked = torch.as_tensor(tokens, dtype=torch.int64, device=directions.device)
        return directions[checked_ids(asked, len(directions), "answer classes")]

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
        known = all(getattr(block.mixing_layer, name, None) is not None for block in self.blocks)
        return self._stacked("attn", name) if known else torch.zeros_like(like)
