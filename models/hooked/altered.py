"""Whether a model does what its weights say: hooks that somebody left, replaced methods and parts.

Such a model answers otherwise than the one that its fingerprint names. It is not measured, stored
or wrapped: a result would pass for that of the model without them.
"""

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules import module as every_module
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.hooked.built import is_as_built, rebuilt_parts

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

# These make a weight out of stored tensors before each run: they are a part of the weights.
REWEIGHTING = (BasePruningMethod, WeightNorm, SpectralNorm)
LIBRARY = "transformer_lens."  # whose bridges run with hooks and methods of their own
EVERY_MODULE_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)
PLAIN = frozenset(vars(nn.Module()))  # what every module's object holds
MOST = 3  # places that a message names


def refuse_altered(model: nn.Module, what: str) -> None:
    """Raise where a model carries hooks, methods that were replaced on an object, or other parts
    and settings than it was built of.

    Args:
        model: of ours, or one that is to be wrapped.
        what: what is not done then, such as "probed".

    Raises:
        MechprobeError: says where, and how to get rid of them.
    """
    if any(getattr(every_module, name) for name in EVERY_MODULE_HOOKS):
        raise MechprobeError(
            f"the model is not {what}: hooks on all modules are registered in torch"
            " (register_module_forward_hook and the like); remove them by their handles"
        )
    # Names are looked up only where there is something to name: this is asked before every probe.
    points = {id(point): point for point in _named_points(model).values()}
    modules = {id(module): module for module in model.modules()} | points
    if any(_is_altered(module) for module in modules.values()):
        _refuse(model, what)
    built = getattr(model, "built", None)
    if built is not None and not is_as_built(model, built):
        raise MechprobeError(
            f"the model is not {what}: it is not what it was built of"
            f" ({_told(list(rebuilt_parts(model, built)))}); build another one, or copy.deepcopy,"
            " which copies what configuration and weights say"
        )


def _refuse(model: nn.Module, what: str) -> None:
    from transformer_lens.hook_points import HookPoint

    named = _named_points(model)
    points = {id(point): name for name, point in named.items() if _is_altered(point)}
    others = {n: m for n, m in model.named_modules() if id(m) not in points and _is_altered(m)}
    hooked = [*points.values()] + [n for n, m in others.items() if isinstance(m, HookPoint)]
    replaced = [f"{n}.{method}".strip(".") for n, m in others.items() for method in _replaced(m)]
    if hooked:
        inner = ".inner" if all(name.startswith("inner.") for name in hooked) else ""
        clause = f"it carries hooks at {_told(hooked)}"
        remedy = (
            f"leave the `with model{inner}.hooks(...)`, or call"
            f" model{inner}.reset_hooks(including_permanent=True)"
        )
    elif replaced:
        clause, remedy = f"replaced methods: {_told(replaced)}", "delete these attributes"
    else:
        clause = f"it carries torch's hooks at {_told([n or 'the model itself' for n in others])}"
        remedy = "call remove() on the handles that register_forward_hook and the like gave"
    raise MechprobeError(f"the model is not {what}: {clause}; {remedy}")


def _told(places: list[str]) -> str:
    more = f" and {len(places) - MOST} more places" if len(places) > MOST else ""
    return short(", ".join(places[:MOST]), 200) + more


def _named_points(model: nn.Module) -> "dict[str, HookPoint]":
    """Hook points by the names that users know, those of a wrapped model after ours."""
    found: dict[str, HookPoint] = {}
    for prefix, module in (("", model), ("inner.", getattr(model, "inner", None))):
        points: Mapping[str, HookPoint] = getattr(module, "hook_dict", {})
        found |= {prefix + name: point for name, point in points.items()}
    return found


def _is_altered(module: nn.Module) -> bool:
    own = vars(module)
    if own["_forward_hooks"] or own["_forward_pre_hooks"]:
        from transformer_lens.hook_points import HookPoint

        hooks = (*own["_forward_hooks"].values(), *own["_forward_pre_hooks"].values())
        if isinstance(module, HookPoint) or any(map(_is_users, hooks)):
            return True
    if own["_backward_hooks"] or own["_backward_pre_hooks"]:
        return True
    # Nearly all keys are those of any module.
    return own.keys() > PLAIN and any(_replaced(module))


def _is_users(hook: Callable[..., Any]) -> bool:
    if isinstance(hook, REWEIGHTING):
        return False
    return not _home(hook).startswith(LIBRARY)


def _replaced(module: nn.Module) -> Iterator[str]:
    """Names of methods that an object has of its own, in place of its class's."""
    kind = type(module)
    for name in vars(module).keys() - PLAIN:
        value = vars(module)[name]
        method = isinstance(getattr(kind, name, None), FunctionType)
        if method and callable(value) and not _home(value).startswith(LIBRARY):
            yield name


def _home(value: object) -> str:
    return getattr(value, "__module__", None) or ""
