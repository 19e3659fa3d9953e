"""Which models are probed: those that do what their weights say, on the CPU, in evaluation mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from mechprobe.models import MechprobeError
from mechprobe.models.hooked.altered import refuse_altered
from mechprobe.models.hooked.others import refuse_models as refuse_models
from mechprobe.models.hooked.others import refuse_others as refuse_others

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

# Whose modules do the same in training mode, but for those named below.
INDIFFERENT = ("mechprobe", "torch", "transformer_lens")
NOISY = (
    nn.modules.dropout._DropoutNd,
    nn.modules.batchnorm._NormBase,
    nn.RReLU,
    nn.MultiheadAttention,
)


def admit(model: "HookedTransformer") -> None:
    """Let a model through that can be probed.

    Raises:
        MechprobeError: it carries hooks or replaced methods, runs in training mode where that
            makes a difference, or does not lie on the CPU.
    """
    refuse_altered(model, "probed")
    for module in model.modules():
        if module.training and _differs_in_training(module):
            raise MechprobeError(
                f"the model is not probed: its {type(module).__name__} is in training mode, where"
                " it may answer by chance; call model.eval()"
            )
        for weight in chain(module._parameters.values(), module._buffers.values()):
            if weight is not None and not weight.is_cpu:
                _refuse_device(weight.device)


@contextmanager
def alone(model: "HookedTransformer") -> Iterator[None]:
    """Hold a model against other threads: what one hooks into its run, another's run would meet."""
    with _GUARD:
        lock = _LOCKS.setdefault(model, RLock())
    with lock:
        yield


_GUARD = Lock()
_LOCKS: "WeakKeyDictionary[HookedTransformer, Any]" = WeakKeyDictionary()


def _refuse_device(device: torch.device) -> None:
    # Draws, and much of what is measured, are made on the CPU; a silent copy would hide that.
    if device.type == "meta":
        raise MechprobeError(
            "the model is not probed: its weights hold no numbers (device meta); load them"
        )
    raise MechprobeError(
        f"the model is not probed: it lies on {device}, and probes run on the CPU; give them"
        " model.cpu()"
    )


def _differs_in_training(module: nn.Module) -> bool:
    others = type(module).__module__.split(".")[0] not in INDIFFERENT
    return others or isinstance(module, NOISY)
