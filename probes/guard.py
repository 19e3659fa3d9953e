"""One guard around every call of a probe or a reading that another package brings.

Ours are held to the same by the tests, and are not watched while they run.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import one_line
from mechprobe.models.base.foreign import foreign
from mechprobe.models.hooked.built import SETTINGS
from mechprobe.probes.context import Context

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

CLASS = "__class__"
# What modules keep by name or in lists: parts and hooks.
PARTS = ("_parameters", "_buffers", "_modules")
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
    "fwd_hooks",  # of a HookPoint
    "bwd_hooks",
)


@contextmanager
def guarded(
    who: str, ours: bool, model: "HookedTransformer", context: Context | None = None
) -> Iterator[None]:
    """Run a part of a probe or a reading.

    Args:
        who: what the message starts with.
        ours: whether it comes with this package.
        model: that it is given; what others change of it is put back.
        context: that it is given, where it is given one.

    Raises:
        MechprobeError: in place of any exception that is none; or others' code has changed the
            model, what probes share, or what the process shares.
    """
    if ours:
        with one_line(who):
            yield
        return
    before, shared, there = (
        _Kept(model),
        _digests(context),
        set(vars(context)) if context else set(),
    )
    changed: list[str] = []
    try:
        with foreign(who):
            yield
    finally:
        changed = before.put_back()
        if context is not None:
            # What it was the first to ask for may have passed through its hands changed.
            for name in vars(context).keys() - there:
                del vars(context)[name]
    if not changed and context is not None and _digests(context, shared) != shared:
        changed = ["changes what probes share"]
    if changed:
        raise MechprobeError(
            f"{who}: it {' and '.join(changed)}; work on a copy or through hooks (that was put"
            " back, and its result is left out)"
        )


class _Kept:
    """A model as it was: numbers, parts, hooks and modes of all its modules."""

    def __init__(self, model: "HookedTransformer") -> None:
        self.modules = list(model.modules())
        self.held = [_held(module) for module in self.modules]
        self.cfg = dict(vars(model.cfg))
        tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
        self.tensors = [(t, t.detach().clone(), t.requires_grad, t.grad) for t in tensors.values()]

    def put_back(self) -> list[str]:
        """Make it what it was; returns what was changed."""
        found = dict.fromkeys(
            "leaves hooks on the model" if name in HOOKS else "changes the model's parts"
            for module, held in zip(self.modules, self.held, strict=True)
            for name in _put_back(module, held)
        )
        now = vars(self.modules[0].cfg)
        if now != self.cfg:
            found["changes the model's configuration"] = None
            now.clear()
            now.update(self.cfg)
        for tensor, value, wanted, grad in self.tensors:
            tensor.grad = grad  # a gradient left behind changes nothing but memory
            if not _same(tensor, value):
                found["changes the model's weights"] = None
                tensor.data = value
            if tensor.requires_grad != wanted:
                found["changes what of the model takes gradients"] = None
                tensor.requires_grad_(wanted)
        return list(found)


def _held(module: nn.Module) -> dict[str, Any]:
    there = vars(module)
    copied = {name: type(there[name])(there[name]) for name in (*PARTS, *HOOKS) if name in there}
    plain = {name: value for name, value in there.items() if isinstance(value, SETTINGS)}
    return {CLASS: type(module), **plain, **copied}


def _put_back(module: nn.Module, held: Mapping[str, Any]) -> Iterator[str]:
    for name, value in held.items():
        if name == CLASS:
            if type(module) is not value:
                module.__class__ = value
                yield name
            continue
        now = vars(module).get(name)
        if name not in (*PARTS, *HOOKS):
            same = now == value
        elif isinstance(value, dict) and isinstance(now, dict):
            # By identity: tensors cannot be compared, and parts are the same or others.
            same = [(key, id(part)) for key, part in now.items()] == [
                (key, id(part)) for key, part in value.items()
            ]
        else:
            same = now == value
        if not same:
            yield name
            vars(module)[name] = value


def _same(tensor: Tensor, value: Tensor) -> bool:
    """To the last bit; of a tensor that was resized or retyped not at all."""
    if tensor.shape != value.shape or tensor.dtype != value.dtype:
        return False
    return torch.equal(_bytes(tensor), _bytes(value))


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().flatten().view(torch.uint8)


def _digests(context: Context | None, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What stands for each thing that a context keeps, and for its task; of the names given."""
    if context is None:
        return {}
    kept = vars(context)
    chosen = [name for name in (kept if names is None else names) if name != "task"]
    found = {name: _digest(kept.get(name)) for name in chosen if name in kept}
    return found | {"task": json.dumps(context.task.describe(), default=repr, sort_keys=True)}


def _digest(value: object) -> object:
    from transformer_lens import ActivationCache

    if isinstance(value, Tensor):
        return (tuple(value.shape), zlib.crc32(_bytes(value.cpu()).numpy().data))
    if isinstance(value, np.ndarray):
        return (value.shape, zlib.crc32(np.ascontiguousarray(value).data.cast("B")))
    if isinstance(value, ActivationCache):
        return _digest(value.cache_dict)
    if isinstance(value, dict):
        return [(str(name), _digest(part)) for name, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [_digest(part) for part in value]
    if is_dataclass(value):
        return [_digest(getattr(value, one.name)) for one in fields(value)]
    return value if isinstance(value, (int, float, str)) else id(value)
