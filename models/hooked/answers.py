"""What a run gives back: TransformerLens's `return_type`, `loss_per_token` and layers."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.tasks import Task
from mechprobe.models.tasks.inputs import real_of_shape, with_batch

KINDS = ("logits", "loss", "both")


class Output(NamedTuple):
    """What return_type="both" gives, a pair as in TransformerLens."""

    logits: Tensor
    loss: Tensor


def check_return_type(return_type: object) -> None:
    """Raises:
    MechprobeError: it is none.
    """
    if not (return_type is None or (isinstance(return_type, str) and return_type in KINDS)):
        raise MechprobeError(
            f"return_type {short(repr(return_type))} is unknown; choose logits, loss, both or None"
        )


def refuse_loss_without_inputs(return_type: str | None) -> None:
    """Raises:
    MechprobeError: a run that starts at a layer has no sequences to compare its answers with.
    """
    if return_type in ("loss", "both"):
        raise MechprobeError(
            f"return_type={return_type!r} with start_at_layer: the loss needs the sequences, which"
            " such a run is not given; take the logits, and task().loss of both"
        )


def returned(
    return_type: str | None,
    answers: Tensor,
    inputs: Tensor,
    targets: Any,
    per_token: bool,
    task_of: Callable[[], Task],
) -> Tensor | Output | None:
    """Answers, their loss, both, or neither.

    Args:
        return_type: which.
        answers: [batch, pos, classes].
        inputs: the sequences that they answer.
        targets: in place of the task's own; None for those.
        per_token: the loss of every scored position in place of their mean.
        task_of: gives the task, where it is needed.

    Raises:
        MechprobeError: targets that do not fit, or the loss of each token is wanted of a task
            that has none.
    """
    if return_type is None:
        return None
    if return_type == "logits":
        return answers
    task = task_of()
    if not per_token:
        loss = task.loss(answers, inputs, targets)
    elif (losses := getattr(task, "token_losses", None)) is not None:
        loss = losses(answers, inputs, targets)
    else:
        raise MechprobeError(
            f"task {task.name!r} has no loss of each token (`token_losses`); leave loss_per_token"
            " out"
        )
    return loss if return_type == "loss" else Output(answers, loss)


def layers(start: object, stop: object, n_layers: int) -> tuple[int | None, int | None]:
    """Where a run starts and stops, counted from the first block; None stays.

    Args:
        start, stop: as given; negative numbers count from the end.
        n_layers: blocks of the model.

    Raises:
        MechprobeError: there is no such block, or the start comes after the stop.
    """
    first = _layer("start_at_layer", start, n_layers, n_layers - 1)
    last = _layer("stop_at_layer", stop, n_layers, n_layers)
    if first is not None and last is not None and first > last:
        raise MechprobeError(f"start_at_layer={start} comes after stop_at_layer={stop}")
    return first, last


def _layer(name: str, given: object, n_layers: int, greatest: int) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not -n_layers <= given <= greatest:
        blocks = f"{n_layers} block{'s' * (n_layers != 1)}"
        raise MechprobeError(
            f"{name}={short(given)}: the model has {blocks}; a whole number from {-n_layers} to"
            f" {greatest} is wanted"
        )
    return given + n_layers if given < 0 else given


def stream(given: Any, n_ctx: int, d_model: int, like: Tensor) -> Tensor:
    """A residual stream [batch, pos, d_model] to go on from; one sequence is a batch of one.

    Raises:
        MechprobeError: something else.
    """
    what = "the residual stream"
    found = real_of_shape(with_batch(given, 3), (n_ctx, d_model), what, like)
    if found.ndim != 3:
        raise MechprobeError(f"{what} of shape {tuple(found.shape)}: one batch axis is wanted")
    return found
