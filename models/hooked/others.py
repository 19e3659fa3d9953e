"""What to do with a model that is none of ours: the line to copy, whatever was given."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from torch import nn

from mechprobe.models.base.errors import MechprobeError, short

MAPPED = (
    'mechprobe.from_torch({}, {{"embed": "tok", ...}}, mechprobe.HistogramTask(T=16, L=10)) makes'
    " one of it by its names (docs/own_models.md)"
)


def refuse_others(given: object) -> None:
    """Say what is to be done with models that are none of ours.

    Raises:
        MechprobeError: something else than a hooked model.
    """
    from mechprobe.models.hooked.model import HookedTransformer

    if not isinstance(given, HookedTransformer):
        raise MechprobeError(
            f"a {type(given).__name__} is given, a hooked model is wanted: {way_in(given)}"
        )


def refuse_models(given: object, wanted: str) -> None:
    """Raises:
    MechprobeError: something else than a path is given.

    Args:
        given: what should be a path.
        wanted: of what.
    """
    if isinstance(given, str | PathLike):
        return
    remedy = f"; {way_in(given)}" if isinstance(given, nn.Module | Mapping) else ""
    raise MechprobeError(
        f"a {type(given).__name__} is given, the path of {wanted} is wanted{remedy}"
    )


def way_in(given: Any) -> str:
    """How to make a hooked model of what was given, in one line to copy."""
    from mechprobe.models.hooked.model import HookedTransformer

    if isinstance(given, HookedTransformer):
        return "it is a hooked model already; mechprobe.label(model) takes it"
    if isinstance(getattr(given, "module", None), HookedTransformer):
        return "give model.module"
    if isinstance(given, str | PathLike):
        return f"give mechprobe.load({short(repr(str(given)))})"
    if any(base.__module__.startswith("transformer_lens") for base in type(given).__mro__):
        return (
            "mechprobe.wrap(model, mechprobe.TaskDescription.of(L=10, tokens=range(16))) makes one"
            " of a TransformerLens model (docs/families/foreign_models.md)"
        )
    if isinstance(given, nn.Module):
        return MAPPED.format("model")
    if isinstance(given, Mapping):
        return MAPPED.format("state_dict")
    return "mechprobe.load(path) gives one of a checkpoint, mechprobe.from_torch one of a module"
