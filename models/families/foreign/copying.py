"""Copies of models made elsewhere, which share nothing with them and hold plain weights.

`copy.deepcopy` refuses tensors that a run computed, which a model keeps after pruning, under an old
weight norm or in a hook's notes, and goes astray where a bridge hands on `__deepcopy__` of the
parametrised layer inside it. Both are told it beforehand.
"""

import copy
from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm


def copied(model: nn.Module) -> Any:
    """A copy of a model that shares nothing with it, in evaluation mode.

    Weights that are computed in every run (parametrisations, weight and spectral norms, pruning)
    are plain ones in the copy, with the values that such a run uses.
    """
    memo: dict[int, Any] = {id(t): t.detach().clone() for t in _computed(model)}
    delegating = [m for m in model.modules() if _hands_on_deepcopy(m)]
    memo |= {id(module): module.__new__(type(module)) for module in delegating}
    for module in delegating:
        memo[id(module)].__dict__.update(copy.deepcopy(vars(module), memo))
    twin = copy.deepcopy(model, memo)
    twin.eval()  # a spectral norm moves in training
    for block in getattr(twin, "blocks", ()):
        # The bridge's blocks keep hooks that hold on to the original's parts; dropped, they are
        # made anew in the next run.
        drop = getattr(block, "_teardown_capture_hooks", None)
        if drop is not None:
            drop()
    for module in twin.modules():
        _make_plain(module)
    return twin


def _computed(model: nn.Module) -> Iterator[Tensor]:
    """Tensors with a history that the model, or what it holds, has in its attributes."""
    seen: set[int] = set()
    todo: list[object] = [model]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            if not one.is_leaf:
                yield one
        elif isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo += one
        elif hasattr(one, "__dict__"):
            todo += vars(one).values()


def _hands_on_deepcopy(module: nn.Module) -> bool:
    found = getattr(module, "__deepcopy__", None)
    return found is not None and getattr(found, "__self__", module) is not module


def _make_plain(module: nn.Module) -> None:
    """Weights that a run would compute become parameters with these values."""
    if "parametrizations" in module._modules:  # a bridge shows those of the layer inside it
        # By hand: torch's own removal changes the class, which the original shares.
        names = list(cast(nn.ModuleDict, module.parametrizations))
        values = {name: getattr(module, name).detach().clone() for name in names}
        del module._modules["parametrizations"]
        module.__class__ = type(module).__bases__[0]
        for name, value in values.items():
            module.register_parameter(name, nn.Parameter(value))
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, SpectralNorm):
            remove_spectral_norm(module, hook.name)
        elif isinstance(hook, (WeightNorm, prune.BasePruningMethod)):
            hook.remove(module)
            del module._forward_pre_hooks[key]
