"""What a model was built of, so that a later change of it is seen: its weights alone may change.

A configuration or a part that was exchanged makes other answers under the same fingerprint.
"""

from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

from torch import nn

# Attributes that say what a module does; others hold what it works with.
SETTINGS = (bool, int, float, str, type(None), FunctionType, BuiltinFunctionType)
OURS = "mechprobe."  # whose modules change no setting of their own once they are built
PASSING = {"training", "is_caching", "context_level"}


class Built(NamedTuple):
    """A model's parts as they were built.

    Args:
        parts: class and settings of every module, in the order of `modules()`.
        cfg: what its `cfg` says.
    """

    parts: list[tuple[type, dict[str, Any]]]
    cfg: dict[str, Any]


def built_of(model: nn.Module) -> Built:
    """What a model is built of now."""
    return Built([_part(module) for module in model.modules()], _cfg(model))


def rebuilt_parts(model: nn.Module, built: Built) -> Iterator[str]:
    """Names of parts and settings that are others than when the model was built."""
    cfg = _cfg(model)
    yield from (f"cfg.{name}" for name in _differing(built.cfg, cfg))
    named: list[tuple[str, nn.Module]] = list(model.named_modules())
    for (name, module), (kind, settings) in zip(named, built.parts, strict=False):
        where = name or "the model"
        if type(module) is not kind:
            yield where
            return  # what follows lies elsewhere
        yield from (f"{where}.{key}" for key in _differing(settings, _part(module)[1]))
    if len(named) != len(built.parts):
        yield "the number of its modules"


def is_as_built(model: nn.Module, built: Built) -> bool:
    """Whether nothing was exchanged."""
    return built_of(model) == built


def _part(module: nn.Module) -> tuple[type, dict[str, Any]]:
    kind = type(module)
    if not kind.__module__.startswith(OURS):
        return kind, {}
    return kind, {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, SETTINGS) and name not in PASSING and name[0] != "_"
    }


def _cfg(model: nn.Module) -> dict[str, Any]:
    cfg = getattr(model, "cfg", None)
    return dict(vars(cfg)) if hasattr(cfg, "__dict__") else {}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other or one[name] != other[name]:
            yield name
