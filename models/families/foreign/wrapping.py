"""Wrapping: a TransformerLens model becomes ours once it is shown that its hooks can be trusted."""

from typing import Any

from torch import nn
from transformer_lens import HookedRootModule

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.foreign.checks import verify
from mechprobe.models.families.foreign.copying import copied
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.taps import is_bridge
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.hooked.altered import refuse_altered
from mechprobe.models.hooked.others import way_in


@settled()
def wrap(model: nn.Module, description: TaskDescription) -> ForeignTransformer:
    """A copy of a TransformerLens model as a hooked model that probes can be given.

    Args:
        model: a TransformerBridge, or a HookedRootModule with the standard hook names.
        description: its tokens, its BOS and how it answers.

    Raises:
        MechprobeError: the description does not fit the model, the model carries hooks (they
            would be baked in, and lost when it is stored), or it cannot be read
            exactly through its hooks (what is checked: docs/families/foreign_models.md).
    """
    if not (is_bridge(model) or isinstance(model, HookedRootModule)):
        raise MechprobeError(
            f"a {type(model).__name__} is no TransformerLens model; give a TransformerBridge or a"
            f" HookedRootModule with the standard hook names; {way_in(model)}"
        )
    refuse_altered(model, "wrapped")
    return checked(copied(model), description)


@settled()
def checked(model: Any, description: TaskDescription) -> ForeignTransformer:
    """As `wrap`, around the model itself, which nobody else is to hold."""
    wrapped = ForeignTransformer(model, description)
    verify(wrapped)
    return wrapped
