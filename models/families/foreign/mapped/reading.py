"""`from_torch`: a model of plain PyTorch as one of ours, by a mapping of names.

Where the module is given, its answers on the task's own sequences decide: what the tensors leave
open is tried, and what does not answer alike is refused. A state dict alone is read as the mapping
says, and its labels say that nothing could be compared.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.state_dicts import Reading, fitting, state_dict_of
from mechprobe.models.base.safe.weight_files import read_tensors
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.description import TaskDescription, description_of
from mechprobe.models.families.foreign.mapped.choices import left_open, said, told
from mechprobe.models.families.foreign.mapped.mapping import NameMapping, mapping_of
from mechprobe.models.families.foreign.mapped.names import (
    Found,
    found_in,
    is_causal_mask,
    some,
    unknown,
)
from mechprobe.models.families.foreign.mapped.parting import TOLERANCE
from mechprobe.models.families.foreign.mapped.plainer import plainer
from mechprobe.models.families.foreign.mapped.running import seen_in, tensors_of, twin_of
from mechprobe.models.families.foreign.mapped.search import Trial, settled_choice
from mechprobe.models.families.foreign.mapped.translated import translated
from mechprobe.models.families.transformer import TransformerConfig
from mechprobe.models.hooked import HookedTransformer

COMPARED = 16  # sequences of the task
MEASURED = 1024
ALONE = (
    "read from a state dict alone: nothing was compared with the code that trained it, so heads,"
    " activation and norms are as the mapping says"
)


@settled()
def from_torch(
    model: Any, mapping: NameMapping | Mapping[str, Any] | str | Path, task: Any = None
) -> HookedTransformer:
    """A model of plain PyTorch of one of our shapes (token embeddings, perhaps positions, blocks of
    heads and feed-forward layers with or without LayerNorm, a read-out) as a hooked model.

    Args:
        model: a `torch.nn.Module`; or its state dict, or a file of one (torch's or safetensors;
            never unpickled), of which nothing can be compared.
        mapping: which of its names is which part, a dictionary or a TOML file of one
            (docs/own_models.md).
        task: what it was asked: a task over ids 0 to T-1 with BOS = T, or a `TaskDescription` of
            other ids and answers. What the mapping says under "task" unless given.

    Returns:
        A copy; `taken` says what was compared and what was found by comparing.

    Raises:
        MechprobeError: names that are not there, shapes that do not fit, answers that differ by
            more than 1e-4 of the largest (with the hook at which both part), or a kind of model
            that none of ours is.
    """
    if isinstance(model, HookedTransformer):
        raise MechprobeError("the model is a hooked one already; mechprobe.label takes it")
    names = mapping_of(mapping)
    description = description_of(task) if task is not None else names.task
    if description is None:
        raise MechprobeError(
            "from_torch: what the model was asked is not said; give"
            " mechprobe.HistogramTask(T=16, L=10), or a [task] in the mapping"
        )
    if isinstance(model, nn.Module):
        return _of_module(model, names, description)
    if isinstance(model, str | Path):
        return of_state(read_state(Path(model), names), names, description)
    if not isinstance(model, Mapping):
        raise MechprobeError(
            f"from_torch: a {type(model).__name__} is given; a torch.nn.Module, a state dict or the"
            " path of one is wanted"
        )
    state, _ = state_dict_of(model)
    kept = {str(n): w.detach().cpu() for n, w in state.items() if isinstance(w, Tensor)}
    return of_state(_reading(kept, names).of(kept), names, description)


def read_state(file: Path, mapping: NameMapping) -> Weights:
    """Tensors of a file, without prefixes that all names share.

    Raises:
        MechprobeError: damaged or unsafe, or names of the mapping are not in it.
    """
    return read_tensors(file, lambda state: found_in(state, mapping))


def of_state(
    state: Weights, mapping: NameMapping, description: TaskDescription
) -> HookedTransformer:
    """A state dict alone, as the mapping says.

    Raises:
        MechprobeError: the mapping leaves something open, or tensors that it does not name.
    """
    found = found_in(state, mapping)
    masked = any(is_causal_mask(state[name]) for name in found.left)
    if masked and mapping.causal is None:
        mapping = mapping.model_copy(update={"causal": True})
    if strange := unknown(state, found, mapping):
        raise MechprobeError(
            f"mapping: {some(strange)} have no part in it, and may change the answers; name them,"
            f' or say that they do not matter: ignore = ["{strange[0]}"]'
        )
    config, weights = translated(found, mapping, description, said(found, mapping))
    model = _hooked(config, weights)
    model.doubts = (ALONE,)
    model.taken = (*_measured(model), *_aside(found))
    return model


def _of_module(
    module: nn.Module, mapping: NameMapping, description: TaskDescription
) -> HookedTransformer:
    twin = twin_of(module)
    stored = tensors_of(twin)
    way = _reading(stored, mapping)
    found = found_in(way.of(stored), mapping)
    found = found.renamed(way.names)
    tokens = description.made().sample(COMPARED, torch.Generator().manual_seed(0))
    trial = Trial.of(twin, found, mapping, description, tokens)
    axes = left_open(found, mapping, seen_in(twin, description, tokens))
    choice, where = settled_choice(axes, trial)
    model = _hooked(*trial.made(choice))
    with torch.no_grad():
        off = trial.off_of(model(tokens))
    if not off <= TOLERANCE:
        raise MechprobeError(
            f"the module's answers differ from those of its weights as mapped (by {off:.2g} of the"
            f" largest logit, {TOLERANCE:g} at most are taken): {where}"
        )
    agreed = f"logits agree with the module's to {off:.1g} of the largest on {COMPARED} sequences"
    news = told(choice, found, mapping)
    model.taken = (agreed, *([f"found by comparing them: {news}"] if news else []), *_aside(found))
    return model


def _reading(state: Weights, mapping: NameMapping) -> Reading:
    return fitting(state, lambda renamed: found_in(renamed, mapping))


def _hooked(config: TransformerConfig, weights: Weights) -> HookedTransformer:
    """In double precision where the weights are, else in single."""
    double = any(weight.dtype == torch.float64 for weight in weights.values())
    dtype = torch.float64 if double else torch.float32
    same = {name: weight.detach().to(dtype) for name, weight in weights.items()}
    return HookedTransformer(*plainer(config, same))


def _measured(model: HookedTransformer) -> tuple[str, ...]:
    """How many answers are right, where the task tells; a wrong mapping shows here first."""
    task: Any = model.task()
    if not hasattr(task, "accuracy"):
        return ()
    tokens = task.sample(MEASURED, torch.Generator().manual_seed(0))
    with torch.no_grad():
        right, chance = task.accuracy(model(tokens), tokens), task.chance(tokens)
    return (f"as mapped {right:.1%} of its answers are right, of one constant answer {chance:.1%}",)


def _aside(found: Found) -> tuple[str, ...]:
    return (f"left aside: {some(found.left)}",) if found.left else ()
