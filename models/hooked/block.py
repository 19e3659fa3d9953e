"""One layer of a hooked model: what mixes positions, then what reads each alone."""

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe.models.hooked.feed_forward import MLP
from mechprobe.models.hooked.mixers import Mixer
from mechprobe.models.hooked.norm import LayerNorm


class Block(nn.Module):
    """A mixer and a feed-forward layer, each with a norm before it where there is one, or after it
    and its skip (Vaswani et al., arXiv:1706.03762): hook_resid_mid and hook_resid_post are then
    the normed stream.

    Without a skip a layer replaces the stream, as a feed-forward that answers in classes does in
    the natural view; in the widened view it adds to it, in coordinates of its own. Whatever the
    mixer is, what it writes stands at hook_attn_out, where TransformerLens's utilities look.

    Args:
        mixer: attention, or another mixer in its place.
        mlp: feed-forward; without one the block ends after the mixer.
        norms: ln1 and ln2, where there are.
        skips: whether the stream goes around the mixer and around the feed-forward.
        post: whether norms come after a layer and its skip.
    """

    mlp: MLP

    def __init__(
        self,
        mixer: Mixer,
        mlp: MLP | None,
        norms: dict[str, LayerNorm],
        skips: tuple[bool, bool],
        post: bool = False,
    ) -> None:
        super().__init__()
        for name, norm in norms.items():
            self.add_module(name, norm)
        self.norms = tuple(norms)
        self.mixed_by = mixer.part
        self.add_module(mixer.part, cast(nn.Module, mixer))
        self.skips = skips
        self.post = post
        self.hook_resid_pre = HookPoint()
        self.hook_attn_out = HookPoint()
        self.hook_resid_post = HookPoint()
        if mlp is not None:
            self.mlp = mlp
            self.hook_resid_mid = HookPoint()
            self.hook_mlp_out = HookPoint()

    @property
    def mixing_layer(self) -> Mixer:
        """The mixer; a block has it under the mixer's own name."""
        return cast(Mixer, getattr(self, self.mixed_by))

    def mix(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """From hook_resid_pre to hook_resid_mid."""
        mid: Tensor = self.hook_resid_mid(self._mixed(x))
        return mid

    def read_out(self, mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_out"]:
        """From hook_resid_mid to hook_resid_post; acts on every position alone."""
        out: Tensor = self.hook_mlp_out(self.mlp(self._before("ln2", mid)))
        post: Tensor = self.hook_resid_post(self._after("ln2", mid + out if self.skips[1] else out))
        return post

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_out"]:
        if "mlp" in self._modules:
            return self.read_out(self.mix(x))
        post: Tensor = self.hook_resid_post(self._mixed(x))
        return post

    def _mixed(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_resid_pre(x)
        out: Tensor = self.hook_attn_out(self.mixing_layer(self._before("ln1", pre)))
        return self._after("ln1", pre + out if self.skips[0] else out)

    def _before(self, name: str, x: Tensor) -> Tensor:
        return x if self.post else self._normed(name, x)

    def _after(self, name: str, x: Tensor) -> Tensor:
        return self._normed(name, x) if self.post else x

    def _normed(self, name: str, x: Tensor) -> Tensor:
        return getattr(self, name)(x) if name in self.norms else x
