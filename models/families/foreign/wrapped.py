"""Any TransformerLens 4 model that does the histogram task, as our `HookedTransformer`."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import HookedRootModule

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.copying import copied
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.submodules import NamedModule
from mechprobe.models.families.foreign.taps import Reached, Taps
from mechprobe.models.hooked import FAMILIES, HookedConfig, HookedTransformer, Mixing
from mechprobe.models.tasks import Interface, check_fits

UNNAMED = "no submodule was named at which its attention pattern stands"


class ForeignTransformer(HookedTransformer):
    """A TransformerLens model behind our token ids, our classes and the standard hook names.

    Token ids are 0..T-1 with BOS = T, answers are counts 0..L. It runs the model's own code;
    hook points read and write as in `HookedTransformer`. Made by `wrap`, which checks that.

    Args:
        model: kept, not copied.
        description: its tokens, its BOS and how it answers.

    Raises:
        MechprobeError: the description does not fit the model, or it lacks what is read.
    """

    def __init__(self, model: Any, description: TaskDescription) -> None:
        HookedRootModule.__init__(self)
        cfg = getattr(model, "cfg", None)
        config = ForeignConfig.of(cfg, description)
        for name in ("n_layers", "n_heads", "d_head", "d_model", "n_ctx"):
            if not isinstance(config.field(name), int):
                raise MechprobeError(f"the model's cfg has no {name}")
        if config.field("parallel_attn_mlp"):
            raise MechprobeError(
                "the model's blocks run attention and feed-forward layer in parallel: there is no"
                " place after the attention to read counts from"
            )
        if config.field("n_ctx") < description.n_ctx:
            raise MechprobeError(
                f"the model reads {config.field('n_ctx')} positions, the task description wants"
                f" {description.n_ctx} (L={description.L} and {int(config.bos)} for BOS)"
            )
        self.inner = model
        self.family = FAMILIES.find(config.family)
        self.config = config
        self.description = description
        self.inner.eval()
        embeddings = getattr(model, "W_E", None)
        if not isinstance(embeddings, Tensor):
            raise MechprobeError("the model has no token embeddings W_E")
        d_head, scale = config.field("d_head"), config.field("attn_scale")
        own_scale = config.field("use_attn_scale") is not False and scale is not None and scale > 0
        attn_only = bool(config.field("attn_only"))
        scale = float(scale) if own_scale else d_head**0.5
        self.taps = Taps(model, config.field("n_layers"), attn_only, scale)
        self.hook_dict = self.taps.points
        self.mod_dict = dict(self.taps.points)
        self.cfg = HookedConfig(
            d_model=config.d,
            d_head=d_head,
            d_value=d_head,
            d_mlp=config.p,
            d_vocab=config.n_vocab,
            d_vocab_out=config.n_classes,
            n_ctx=config.n_ctx,
            attn_scale=scale,
            softmax=True,
            widened=False,
            dtype=embeddings.dtype,
            n_layers=config.field("n_layers"),
            n_heads=config.field("n_heads"),
            n_key_value_heads=config.field("n_key_value_heads"),
            attn_only=attn_only,
            normalization_type=config.field("normalization_type"),
            act_fn=config.field("act_fn") or "",
            constant_mixing=self._is_constant("blocks.0.attn."),
            ordered=bool(getattr(model, "ordered", False)),
            positions="hook_pos_embed" in self.taps.points,
        )
        self.place = f"blocks.{self.cfg.n_layers - 1}.hook_resid_mid"
        if self.place not in self.taps.points:
            raise MechprobeError(f"the model has no {self.place}, where counts are read")
        self.eval()
        check_fits(self.task(), self.interface)

    # -- running --------------------------------------------------------------------------------

    def _run(self, inputs: Tensor) -> Tensor:
        """Our classes [batch, pos, L + 1] to our token ids [batch, pos]."""
        with self.taps.attached():
            logits = self.inner(self.description.to_ids(inputs))
        return self.description.to_classes(logits)

    def _part(self, given: Tensor, start: int | None, stop: int | None) -> Tensor:
        """The stream that would enter a block, in a run from the tokens on."""
        if start is not None:
            raise MechprobeError(
                "start_at_layer: a wrapped model runs from its tokens on; write the stream to"
                f" blocks.{start}.hook_resid_pre by run_with_hooks instead"
            )
        if stop is None or stop == self.cfg.n_layers:
            return self._until(f"blocks.{self.cfg.n_layers - 1}.hook_resid_post", given)
        return self._until(f"blocks.{stop}.hook_resid_pre", given, read=False)

    def _mid(self, inputs: Tensor) -> Tensor:
        """Of blocks of attention alone it is their end."""
        return self._until(self.place, inputs)

    def _until(self, name: str, tokens: Tensor, read: bool = True) -> Tensor:
        """What comes to a hook point in a run that ends there.

        Args:
            name: of the hook point.
            tokens: our ids.
            read: whether its own hooks see it first.
        """
        try:
            with self.taps.attached(until=name, read=read):
                self.inner(self.description.to_ids(tokens))
        except Reached as reached:
            return reached.value
        raise MechprobeError(f"the model's run never came to {name}")

    def read_out(self, resid_mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... classes"]:
        """Answers from the last block's hook_resid_mid, position by position, through the same
        hooks: by the model's own `read_out`, or else its block's parts (the stream plus the
        feed-forward layer of the normalised stream), ln_final and unembed."""
        with self.taps.attached(without=(self.place,)):
            own = getattr(self.inner, "read_out", None)
            logits = self._read_by_parts(resid_mid) if own is None else own(resid_mid)
        return self.description.to_classes(logits)

    def _read_by_parts(self, resid: Tensor) -> Tensor:
        stem = self.place.removesuffix("hook_resid_mid")
        if not self.cfg.attn_only:
            block = self.inner.blocks[-1]
            norm = getattr(block, "ln2", None)
            out = block.mlp(resid if norm is None else norm(resid))
            if stem + "hook_mlp_out" not in self.taps.fired:
                out = self.taps.fire(stem + "hook_mlp_out", out)
            resid = resid + out
        resid = self.taps.fire(stem + "hook_resid_post", resid)
        norm = getattr(self.inner, "ln_final", None)
        logits: Tensor = self.inner.unembed(resid if norm is None else norm(resid))
        return logits

    @property
    def mixers(self) -> list[Mixing]:
        """The attention of every block, by the hook points that the model has."""
        cfg, there = self.cfg, self.taps.points
        blocks = [f"blocks.{layer}.attn." for layer in range(cfg.n_layers)]
        return [
            Mixing.at(at, there, cfg.n_heads, cfg.softmax, self._is_constant(at))
            if f"{at}hook_pattern" in there
            else Mixing(no_weights=UNNAMED)
            for at in blocks
        ]

    def _is_constant(self, at: str) -> bool:
        """Whether a block's weights are a matrix of its own: nothing is compared, in a model that
        would show its queries."""
        return f"{at}hook_q" not in self.taps.points and not isinstance(self.inner, NamedModule)

    # -- views and copies -----------------------------------------------------------------------

    @settled()
    def rebuilt(self, weights: Weights) -> "ForeignTransformer":
        """The same model with another state dict of its own; a copy.

        Raises:
            MechprobeError: the weights do not fit.
        """
        inner, dtypes = copied(self.inner), {w.dtype for w in weights.values()}
        if self.cfg.dtype not in dtypes:
            # nn.Module's own `to`: the bridge's prints.
            nn.Module.to(inner, dtype=next(t for t in dtypes if t.is_floating_point))
        try:
            inner.load_state_dict(weights)
        except RuntimeError as error:
            raise MechprobeError(f"weights do not fit ({short(error, 200)})") from None
        twin = ForeignTransformer(inner, self.description)
        twin.cfg.softmax = self.cfg.softmax  # measured, see `verify`
        return twin

    @property
    def interface(self) -> Interface:
        """Our token ids and classes."""
        c = self.config
        return Interface(n_ctx=c.n_ctx, vectors=False, d_in=c.n_vocab, d_out=c.n_classes)

    def _natural(self) -> Weights:
        return dict(self.inner.state_dict())

    # -- what TransformerLens's utilities ask for -----------------------------------------------

    @property
    def W_E(self) -> Float[Tensor, "vocab d_model"]:
        """Token embeddings; rows are our tokens, BOS last."""
        W_E: Tensor = self.inner.W_E[self.description.ids()]
        return W_E

    @property
    def W_pos(self) -> Float[Tensor, "pos d_model"]:
        """Positional encodings of the positions that are used."""
        if not self.cfg.positions:
            raise AttributeError("this model has no W_pos")
        W_pos: Tensor = self.inner.W_pos[: self.cfg.n_ctx]
        return W_pos

    @property
    def W_U(self) -> Float[Tensor, "d_model classes"]:
        """Direction of every count; zero for count 0 where the model has no answer for it."""
        return self._answers(self.inner.W_U)

    @property
    def b_U(self) -> Float[Tensor, " classes"]:
        """Bias of every count."""
        return self._answers(self.inner.b_U)

    def _answers(self, by_id: Tensor) -> Tensor:
        answers = self.description.answers
        if answers == "classes":
            return by_id[..., : self.config.n_classes]
        if any(len(ids) > 1 for ids in answers.values()):
            raise AttributeError("counts are answered by several ids each: there is no W_U")
        ids = [answers[count][0] for count in range(1, self.config.n_classes)]
        return nn.functional.pad(by_id[..., ids], (1, 0))

    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, " d_model"]:
        """Sum of the biases written to the stream before `layer`, by the model's own sum."""
        total: Tensor = self.inner.accumulated_bias(layer, mlp_input, include_mlp_biases)
        return total

    def tl_parameters(self) -> dict[str, Tensor]:
        """The model's own weights under TransformerLens's names."""
        named: dict[str, Tensor] = self.inner.tl_parameters()
        return named

    def to_ids(self, tokens: Any) -> Int[Tensor, "..."]:
        """Our token ids as the model's.

        Raises:
            MechprobeError: they are no tensor of integers, or one is none of ours.
        """
        return self.description.to_ids(tokens)

    def _stacked(self, part: str, name: str) -> Tensor:
        # W_Q, b_in and so on are the model's own.
        weight = getattr(self.inner, name, None)
        if not isinstance(weight, Tensor):
            raise AttributeError(f"this model has no {name}")
        return weight

    def __getattr__(self, name: str) -> Any:
        if name in ("blocks", "embed", "pos_embed", "unembed", "ln_final"):
            return getattr(self.inner, name)
        return super().__getattr__(name)
