"""Where a module and our model of it part: the first place in a run where activations differ."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mechprobe.models.base.foreign import foreign
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.mapped.names import Found, Part
from mechprobe.models.families.foreign.mapped.running import difference
from mechprobe.models.families.foreign.mapped.translated import Choice
from mechprobe.models.hooked import HookedTransformer

Side = Literal["input", "output"]
Kept = dict[tuple[str, str], Tensor]  # by name of the submodule, and side
TOLERANCE = 1e-4  # of the largest number at a place


@dataclass(frozen=True)
class Place:
    """A hook of ours and the side of a submodule where the same numbers should stand."""

    hook: str
    module: str
    side: Side


@dataclass(frozen=True)
class Parting:
    """How far a run of ours goes with a module's.

    Args:
        agreed: hooks that agree, before the first that does not.
        words: where they part.
        whole: nothing that could be compared differs.
    """

    agreed: int
    words: str
    whole: bool = False


def kept_of(
    module: nn.Module, found: Found, description: TaskDescription, tokens: Int[Tensor, "n pos"]
) -> Kept:
    """What goes into and comes out of the submodules that have parts, by name and side."""
    named = dict(module.named_modules())
    kept: Kept = {}
    with ExitStack() as stack:
        for name in {part.module for _, part in found.parts()} & named.keys():
            handle = named[name].register_forward_hook(_keeper(name, kept))
            stack.callback(handle.remove)
        with torch.no_grad(), foreign("the module"):
            module(description.to_ids(tokens))
    return kept


def parting(
    kept: Kept, model: HookedTransformer, found: Found, choice: Choice, tokens: Int[Tensor, "n pos"]
) -> Parting:
    """The first hook at which activations differ, as far as submodules can be matched."""
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, return_cache_object=False)
    agreed: list[str] = []
    for place in _places(found, choice):
        theirs, ours = kept.get((place.module, place.side)), cache.get(place.hook)
        if theirs is None or ours is None or ours.flatten(2).shape != theirs.shape:
            continue
        off = difference(ours.flatten(2), theirs)
        if off > TOLERANCE:
            before = f"; {agreed[-1]} and what comes before agree" if agreed else ""
            return Parting(
                len(agreed),
                f"they part at {place.hook}, the {place.side} of {place.module!r} (difference"
                f" {off:.2g} of the largest){before}",
            )
        agreed.append(place.hook)
    if not agreed:
        return Parting(0, "no submodule's output could be matched with a hook")
    return Parting(len(agreed), f"they agree up to {agreed[-1]}, and part behind it", True)


def _keeper(name: str, kept: Kept) -> Callable[..., None]:
    def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        for side, value in (("input", inputs), ("output", output)):
            first = value[0] if isinstance(value, tuple) and value else value
            if isinstance(first, Tensor):
                kept.setdefault((name, side), first.detach().clone())

    return keep


def _places(found: Found, choice: Choice) -> Iterator[Place]:
    """Places in the order of a run."""
    yield from _at(found.ends.get("embed"), "hook_embed", "output")
    yield from _at(found.ends.get("pos_embed"), "hook_pos_embed", "output")
    post = choice.norm == "post"
    for i, block in enumerate(found.blocks):
        stem = f"blocks.{i}."
        one = {role: parts[0] for role, parts in block.items() if len(parts) == 1}
        if not post:
            yield from _at(one.get("ln1"), f"{stem}hook_resid_pre", "input")
        if choice.scale is None:
            yield from _at(one.get("q"), f"{stem}attn.hook_q", "output")
        yield from _at(one.get("k"), f"{stem}attn.hook_k", "output")
        yield from _at(one.get("v"), f"{stem}attn.hook_v", "output")
        yield from _at(one.get("o"), f"{stem}attn.hook_z", "input")
        yield from _at(one.get("o"), f"{stem}hook_attn_out", "output")
        mid: Side = "output" if post else "input"
        yield from _at(one.get("ln1" if post else "ln2"), f"{stem}hook_resid_mid", mid)
        yield from _at(one.get("mlp_in"), f"{stem}mlp.hook_pre", "output")
        yield from _at(one.get("mlp_out"), f"{stem}mlp.hook_post", "input")
        yield from _at(one.get("mlp_out"), f"{stem}hook_mlp_out", "output")
        if post:
            yield from _at(one.get("ln2"), f"{stem}hook_resid_post", "output")
    last = f"blocks.{len(found.blocks) - 1}.hook_resid_post"
    yield from _at(found.ends.get("ln_final", found.ends.get("unembed")), last, "input")


def _at(part: Part | None, hook: str, side: Side) -> Iterator[Place]:
    if part is not None:
        yield Place(hook, part.module, side)
