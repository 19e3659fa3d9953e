"""Wrapping: a TransformerLens model becomes ours once it is shown that its hooks can be trusted."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from transformer_lens import HookedRootModule

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.foreign.checks import verify
from mechprobe.models.families.foreign.copying import copied
from mechprobe.models.families.foreign.description import TaskDescription, description_of
from mechprobe.models.families.foreign.mapped.running import unwrapped
from mechprobe.models.families.foreign.submodules import INPUT, NamedModule
from mechprobe.models.families.foreign.taps import is_bridge
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.hooked.altered import refuse_altered
from mechprobe.models.hooked.others import way_in


@settled()
def wrap(
    model: nn.Module, description: Any, hooks: Mapping[str, str] | None = None
) -> ForeignTransformer:
    """A copy of a model made elsewhere as a hooked model that probes can be given.

    Args:
        model: a TransformerBridge, or a HookedRootModule with the standard hook names; with
            `hooks` any module.
        description: its tokens, its BOS and how it answers: a `TaskDescription`, or a task in the
            model's own ids and classes.
        hooks: of a module of another shape, its submodules by what stands at their output, or with
            ":input" behind the name at their input: embed, resid_mid and post, and where there are
            such, pattern, scores, resid_pre, resid_post; `{block}` stands for numbers from 0.

    Raises:
        MechprobeError: the description does not fit the model, the model carries hooks (they
            would be baked in, and lost when it is stored), or it cannot be read
            exactly through its hooks (what is checked: docs/families/foreign_models.md).
    """
    task = description_of(description)
    if hooks is not None:
        return _by_submodules(model, task, hooks)
    if not (is_bridge(model) or isinstance(model, HookedRootModule)):
        raise MechprobeError(
            f"a {type(model).__name__} is no TransformerLens model; give a TransformerBridge or a"
            " HookedRootModule with the standard hook names, or hooks={...} (docs/own_models.md);"
            f" {way_in(model)}"
        )
    refuse_altered(model, "wrapped")
    return checked(copied(model), task)


def _by_submodules(
    model: nn.Module, task: TaskDescription, hooks: Mapping[str, str]
) -> ForeignTransformer:
    """What is written to the input of a submodule at resid_mid is made to reach a skip around it,
    where it does not of itself."""
    plain = unwrapped(model)
    refuse_altered(plain, "wrapped")
    twin = copied(plain)
    try:
        return checked(NamedModule(twin, hooks, task), task)
    except MechprobeError:
        if not ("resid_post" in hooks and hooks["resid_mid"].endswith(INPUT)):
            raise
    return checked(NamedModule(twin, hooks, task, mends=True), task)


@settled()
def checked(model: Any, description: TaskDescription) -> ForeignTransformer:
    """As `wrap`, around the model itself, which nobody else is to hold."""
    wrapped = ForeignTransformer(model, description)
    verify(wrapped)
    return wrapped
