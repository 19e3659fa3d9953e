"""What goes into models and tasks is checked where it enters: sequences, answers, targets.

A tensor's negative index reads from its end, and an index of bytes or booleans is a mask: what is
not checked here would be answered, and wrongly. One pass over the numbers finds the least and the
greatest; where they lie as they should, nothing else is looked at. Arguments are `Any`: what is
given is not known before it is checked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short


@dataclass(frozen=True)
class Tokens:
    """Sequences of token ids, as a model or a task reads them.

    Args:
        n_ctx: positions of a sequence.
        n_ids: ids are 0 to n_ids - 1.
        bos: the id that stands first in every sequence and nowhere else; None where none does.
    """

    n_ctx: int
    n_ids: int
    bos: int | None = None

    ndim = 2  # of a batch

    def checked(self, given: Any, like: Tensor | None = None) -> Int[Tensor, "*batch pos"]:
        """The sequences as int64; every other type of integers is converted.

        Args:
            given: token ids [*batch, pos].
            like: a weight that they meet, whose device is theirs; any will do where there is none.

        Raises:
            MechprobeError: something else than a tensor of integers, of another length or on
                another device, an id that is none, or a BOS that is missing or elsewhere.
        """
        tokens = checked_ids(given, None, "tokens", like)
        if tokens.ndim == 0 or tokens.shape[-1] != self.n_ctx:
            with_bos = "" if self.bos is None else f", BOS (id {self.bos}) first"
            raise MechprobeError(
                f"tokens of shape {tuple(tokens.shape)}: sequences have {self.n_ctx} positions"
                f" here{with_bos}; [batch, {self.n_ctx}] is wanted"
            )
        if self.bos is None or tokens.numel() == 0:
            return checked_ids(tokens, self.n_ids, "tokens")
        # The body holds all ids but BOS; where BOS is the last id, a range says that.
        first, body = tokens[..., :1], tokens[..., 1:]
        last = self.bos == self.n_ids - 1
        limit = self.bos if last else self.n_ids
        if not (_within(body, limit) and _all_are(first, self.bos)) or (
            not last and self.bos in body
        ):
            checked_ids(tokens, self.n_ids, "tokens")
            self._refuse_bos(tokens)
        return tokens

    def _refuse_bos(self, tokens: Int[Tensor, "*batch pos"]) -> NoReturn:
        is_bos: Tensor = tokens.eq(self.bos)  # type: ignore[arg-type]
        if not is_bos[..., 0].all():
            at = _first(~is_bos[..., 0])
            raise MechprobeError(
                f"tokens: sequence {at} does not begin with BOS (id {self.bos}); put it in front of"
                f" each, as the task's `sample` does"
            )
        elsewhere = is_bos.clone()
        elsewhere[..., 0] = False
        raise MechprobeError(
            f"tokens: BOS (id {self.bos}) stands at {_first(elsewhere)} as well; it begins a"
            " sequence and is nowhere else"
        )


@dataclass(frozen=True)
class Vectors:
    """Sequences of real vectors, as a model or a task reads them.

    Args:
        n_ctx: positions of a sequence.
        d: width of a vector.
    """

    n_ctx: int
    d: int

    ndim = 3  # of a batch

    def checked(self, given: Any, like: Tensor | None = None) -> Float[Tensor, "*batch L d"]:
        """The sequences in the type of the weights; shorter types are widened.

        Args:
            given: vectors [*batch, pos, d].
            like: a weight that they meet, whose type and device are theirs; any will do where
                there is none.

        Raises:
            MechprobeError: something else than a tensor of real numbers, of another shape, in a
                longer type or on another device, or numbers that are not finite.
        """
        x = real_of_shape(given, (self.n_ctx, self.d), "inputs", like)
        # A sum with NaN or infinity in it is not finite; one that overflows is looked at again.
        if not (math.isfinite(x.detach().sum().item()) or x.isfinite().all()):
            raise MechprobeError(f"inputs: NaN or infinite at {_first(~x.isfinite())}")
        return x


Reads = Tokens | Vectors


def with_batch(given: Any, ndim: int) -> Any:
    """One sequence as a batch of one, as TransformerLens takes it; anything else as it is."""
    return given.unsqueeze(0) if isinstance(given, Tensor) and given.ndim == ndim - 1 else given


def checked_ids(
    given: Any, n_ids: int | None, what: str, like: Tensor | None = None
) -> Int[Tensor, "..."]:
    """Ids of any shape as int64.

    Args:
        given: the ids.
        n_ids: they are 0 to n_ids - 1; their values are not looked at where it is None.
        what: the message starts with it.
        like: a weight that they meet, whose device is theirs.

    Raises:
        MechprobeError: something else than a tensor of integers, or an id that is none.
    """
    _refuse_other_than_tensors(given, "integer ids", what, like)
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise MechprobeError(
            f"{what} of type {given.dtype}: ids are integers; convert them, as by {what}.long()"
        )
    ids: Tensor = given if given.dtype == torch.int64 else given.long()
    if n_ids is not None and not _within(ids, n_ids):
        at = _first((ids < 0) | (ids >= n_ids))
        raise MechprobeError(
            f"{what}: id {int(ids[tuple(at)])} at {at} is none; ids are 0 to {n_ids - 1}"
        )
    return ids


def real_of_shape(
    given: Any,
    ending: Sequence[int],
    what: str,
    like: Tensor | None = None,
) -> Float[Tensor, "..."]:
    """Real numbers whose last axes have given lengths, in the type of the weights they meet.

    Args:
        given: the numbers.
        ending: lengths of the last axes.
        what: the message starts with it.
        like: a weight that they meet, whose type and device are theirs; shorter types are widened.

    Raises:
        MechprobeError: something else.
    """
    wanted = f"real vectors of shape (batch, {', '.join(map(str, ending))})"
    _refuse_other_than_tensors(given, wanted, what, like)
    if tuple(given.shape[-len(ending) :]) != tuple(ending) or not given.is_floating_point():
        raise MechprobeError(
            f"{what} of shape {tuple(given.shape)} and type {given.dtype}: {wanted} are wanted"
        )
    if like is None or given.dtype == like.dtype:
        return given  # type: ignore[no-any-return]
    if torch.promote_types(given.dtype, like.dtype) != like.dtype:
        raise MechprobeError(
            f"{what} of type {given.dtype} meet weights of type {like.dtype}; convert them by"
            f" .to({like.dtype}), or the model by with_dtype({given.dtype})"
        )
    widened: Tensor = given.to(like.dtype)
    return widened


def check_answers(answers: Any, leading: Sequence[int], n_classes: int) -> None:
    """Answers in classes, one a position.

    Args:
        answers: logits [*batch, pos, classes].
        leading: the shape of the tokens that they answer.
        n_classes: least number of classes.

    Raises:
        MechprobeError: something else.
    """
    _refuse_other_than_tensors(answers, "logits", "answers", None)
    shape = tuple(answers.shape)
    if not answers.is_floating_point() or shape[:-1] != tuple(leading) or shape[-1] < n_classes:
        at_least = ", ".join(map(str, leading))
        raise MechprobeError(
            f"answers of shape {shape} and type {answers.dtype}: logits of shape ({at_least},"
            f" {n_classes} classes or more) are wanted, for every position of every sequence"
        )


def checked_targets(given: Any, shape: Sequence[int], n_classes: int) -> Int[Tensor, "..."]:
    """Targets among classes, as int64; one a scored position.

    Args:
        given: the targets.
        shape: one for each scored position.
        n_classes: they are 0 to n_classes - 1.

    Raises:
        MechprobeError: something else.
    """
    targets = checked_ids(given, n_classes, "targets")
    if tuple(targets.shape) != tuple(shape):
        raise MechprobeError(
            f"targets of shape {tuple(targets.shape)}: {tuple(shape)} is wanted, one for each"
            " scored position"
        )
    return targets


def refuse_none(number: int, what: str) -> None:
    """Raises:
    MechprobeError: a mean over no sequences is wanted.
    """
    if number == 0:
        raise MechprobeError(f"no sequences: {what} of an empty batch is no number; give some")


def _refuse_other_than_tensors(given: Any, wanted: str, what: str, like: Tensor | None) -> None:
    if not isinstance(given, Tensor):
        raise MechprobeError(
            f"{what}: a {short(type(given).__name__)} was given; a tensor of {wanted} is wanted, as"
            " by torch.as_tensor"
        )
    if like is not None and given.device != like.device:
        raise MechprobeError(
            f"{what} are on {given.device}, the weights on {like.device}; move one of them, as by"
            f" .to({str(like.device)!r})"
        )


def _within(ids: Int[Tensor, "..."], n_ids: int) -> bool:
    if ids.numel() == 0:
        return True
    least, greatest = _ends(ids)
    return least >= 0 and greatest < n_ids


def _all_are(ids: Int[Tensor, "..."], one: int) -> bool:
    return _ends(ids) == (one, one)


def _ends(values: Int[Tensor, "..."]) -> tuple[int, int]:
    """The least and the greatest."""
    least, greatest = torch.aminmax(values)
    return int(least), int(greatest)


def _first(found: Tensor) -> list[int]:
    """Where a mask holds first."""
    at: list[int] = found.nonzero()[0].tolist()
    return at
