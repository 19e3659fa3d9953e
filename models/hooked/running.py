"""Runs of a hooked model: inputs are checked, blocks run in order, answers come as asked for."""

from functools import cached_property
from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformer_lens import ActivationCache

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.hooked.accessors import WeightAccessors
from mechprobe.models.hooked.answers import (
    Output,
    check_return_type,
    layers,
    refuse_loss_without_inputs,
    returned,
    stream,
)
from mechprobe.models.tasks import Interface, Task
from mechprobe.models.tasks.inputs import Reads, Tokens, Vectors, with_batch


class Running(WeightAccessors):
    """The part of a hooked model that runs it; a base class of `HookedTransformer`."""

    hook_embed: Any
    hook_pos_embed: Any

    def task(self) -> Task:
        """What the model is asked."""
        raise NotImplementedError

    @property
    def interface(self) -> Interface:
        """What the model reads and answers."""
        raise NotImplementedError

    def forward(
        self,
        inputs: Any,
        return_type: str | None = "logits",
        targets: Any = None,
        *,
        loss_per_token: bool = False,
        stop_at_layer: int | None = None,
        start_at_layer: int | None = None,
    ) -> Tensor | Output | None:
        """Answers [batch, pos, classes] (of width d for solvable models).

        Args:
            inputs: token ids [batch, pos] of any integer type, or vectors [batch, pos, d]. One
                sequence without the batch axis is a batch of one.
            return_type: "logits"; "loss", the task's mean loss; "both", a pair `(logits, loss)`;
                None, nothing, where a run is for its hooks.
            targets: in place of the task's own.
            loss_per_token: the loss of every scored position [batch, scored] in place of the mean.
            stop_at_layer: end before this block and give the residual stream that would enter it,
                whatever the return type; 0 is the embedding, the number of blocks is the stream
                behind the last. Negative numbers count from the end.
            start_at_layer: begin with this block; `inputs` is then the residual stream [batch,
                pos, d_model] that enters it, and there is no loss.

        Raises:
            MechprobeError: inputs or targets of the wrong shape, type, device or values (an id that
                is none, a BOS that is missing or elsewhere, NaN), an unknown return type, a layer
                that is not there.
        """
        check_return_type(return_type)
        start, stop = layers(start_at_layer, stop_at_layer, self.cfg.n_layers)
        if start is None:
            given = self._taken(inputs)
        else:
            refuse_loss_without_inputs(return_type)
            given = stream(inputs, self.cfg.n_ctx, self.cfg.d_model, self._a_weight())
        whole = start is None and stop is None
        answers = self._run(given) if whole else self._part(given, start, stop)
        if stop is not None:
            return answers
        return returned(return_type, answers, given, targets, loss_per_token, self.task)

    def resid_mid(self, inputs: Any) -> Float[Tensor, "batch pos d_model"]:
        """hook_resid_mid of the last block of a run that ends there, through the same hooks: what
        `read_out` goes on from. After the last attention every position is read alone.

        Args:
            inputs: as `forward` takes them.

        Raises:
            MechprobeError: as `forward`.
            AttributeError: the model has no feed-forward layer.
        """
        return self._mid(self._taken(inputs))

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
        if model_args:  # of which the first has the batch axis that may be removed
            model_args = (with_batch(model_args[0], self.reads.ndim), *model_args[1:])
        out, cache = super().run_with_cache(
            *model_args, remove_batch_dim=remove_batch_dim, **kwargs
        )
        if not return_cache_object:
            return out, cache
        return out, ActivationCache(cache, self, has_batch_dim=not remove_batch_dim)

    @cached_property
    def reads(self) -> Reads:
        """The sequences that the model takes; what is given is checked against it."""
        seen = self.interface
        if seen.vectors:
            return Vectors(seen.n_ctx, seen.d_in)
        return Tokens(seen.n_ctx, seen.d_in, getattr(self.task(), "bos_id", None))

    def _taken(self, inputs: Any) -> Tensor:
        """What was given as a batch that the model reads.

        Raises:
            MechprobeError: it is none.
        """
        checked = self.reads.checked(with_batch(inputs, self.reads.ndim), self._a_weight())
        if checked.ndim != self.reads.ndim:
            raise MechprobeError(
                f"inputs of shape {tuple(checked.shape)}: one batch axis is wanted; use"
                " .flatten(0, -2) or the like"
            )
        return checked

    def _a_weight(self) -> Tensor:
        """For its type and device."""
        found: Tensor | None = getattr(self.embed, "W_E", None)
        return next(self.parameters()) if found is None else found

    def _run(self, inputs: Tensor) -> Tensor:
        return self._part(inputs, None, None)

    def _part(self, given: Tensor, start: int | None, stop: int | None) -> Tensor:
        """Answers to checked inputs or, with a start, to the stream that enters that block; with
        a stop the stream that would enter that one."""
        resid = self._embedded(given) if start is None else given
        for block in list(self.blocks)[start:stop]:
            resid = block(resid)
        return resid if stop is not None else self._answers(resid)

    def _mid(self, inputs: Tensor) -> Tensor:
        resid, blocks = self._embedded(inputs), list(self.blocks)
        for block in blocks[:-1]:
            resid = block(resid)
        mid: Tensor = blocks[-1].mix(resid)
        return mid

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
