"""A module of one's own, run on our sequences; what it shows beside its tensors."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.foreign import foreign
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.copying import copied
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.mapped.choices import Seen
from mechprobe.models.hooked.altered import refuse_altered

ACTIVATIONS: Mapping[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
}
# Attributes of modules that wrap another.
WRAPPERS = ("_orig_mod", "module")
ROUNDING = 1e-6  # by which answers that do not change may differ, of the largest


def unwrapped(module: nn.Module) -> nn.Module:
    """What lies in torch.compile, DataParallel and the like."""
    while True:
        inner = [getattr(module, name, None) for name in WRAPPERS]
        found = [
            one
            for one, name in zip(inner, WRAPPERS, strict=True)
            if isinstance(one, nn.Module) and list(module._modules) == [name]
        ]
        if not found:
            return module
        module = found[0]


def twin_of(module: nn.Module) -> nn.Module:
    """A copy on the CPU, in evaluation mode, of float32 or longer; the module stays as it is.

    Raises:
        MechprobeError: it carries hooks, or cannot be copied.
    """
    plain = unwrapped(module)
    refuse_altered(plain, "read")
    with foreign(f"the module {type(plain).__name__} cannot be copied"):
        twin: nn.Module = copied(plain)
        twin.cpu()
        if any(w.dtype in (torch.float16, torch.bfloat16) for w in twin.parameters()):
            twin.float()
    return twin


def tensors_of(module: nn.Module) -> Weights:
    """Its state dict, and buffers that are not in it."""
    found = {name: value.detach() for name, value in module.named_buffers()}
    stored = {n: v.detach() for n, v in module.state_dict().items() if isinstance(v, Tensor)}
    return stored | {name: value for name, value in found.items() if name not in stored}


def answers_of(
    module: nn.Module, description: TaskDescription, tokens: Int[Tensor, "n pos"]
) -> Float[Tensor, "n scored classes"]:
    """Our classes at every scored position.

    Args:
        module: in evaluation mode.
        description: its ids and answers.
        tokens: ours, BOS first where there is one.

    Raises:
        MechprobeError: it does not run, or answers with something else than logits of every
            position.
    """
    with torch.no_grad(), foreign(f"the module {type(module).__name__} does not run on its task"):
        given: Any = module(description.to_ids(tokens))
    logits = next(_tensors(given), None)
    scored, all_ = (len(tokens), description.L), (len(tokens), description.n_ctx)
    if logits is None or logits.ndim != 3 or tuple(logits.shape[:2]) not in (scored, all_):
        shape = "no tensor" if logits is None else f"a tensor of shape {tuple(logits.shape)}"
        raise MechprobeError(
            f"the module {type(module).__name__} answers with {shape}; logits of shape"
            f" ({len(tokens)} sequences, {description.n_ctx} positions, classes) are wanted"
        )
    needed = description.L if description.answers == "classes" else 0
    if logits.shape[2] <= needed:
        raise MechprobeError(
            f"the module answers in {logits.shape[2]} classes, counts 0 to {needed} are wanted"
        )
    if not logits.isfinite().all():
        raise MechprobeError("the module's answers on its own task are not finite")
    return description.to_classes(logits[:, -description.L :])


def seen_in(module: nn.Module, description: TaskDescription, tokens: Int[Tensor, "n pos"]) -> Seen:
    """What a module shows beside its tensors.

    Raises:
        MechprobeError: as `answers_of`.
    """
    kinds = {_activation(one) for one in module.modules()} - {None}
    eps = {one.eps for one in module.modules() if isinstance(one, nn.LayerNorm)}
    linear = {f"{n}.weight" for n, one in module.named_modules() if isinstance(one, nn.Linear)}
    multi = [n for n, one in module.named_modules() if isinstance(one, nn.MultiheadAttention)]
    linear |= {f"{n}.{part}" for n in multi for part in ("in_proj_weight", "out_proj.weight")}
    before = answers_of(module, description, tokens)
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % description.T
    moved = answers_of(module, description, other) - before
    slack = ROUNDING * float(before.abs().max().clamp(min=1))
    return Seen(
        activation=kinds.pop() if len(kinds) == 1 else None,
        eps=eps.pop() if len(eps) == 1 else None,
        causal=bool(moved[:, :-1].abs().max() <= slack < moved[:, -1].abs().max()),
        linear=frozenset(linear),
    )


def difference(one: Tensor, other: Tensor) -> float:
    """The greatest difference, of the largest number (of 1 where that is smaller)."""
    if one.shape != other.shape:
        return math.inf
    off = (one.detach().double() - other.detach().double()).abs().max()
    return float(off / other.detach().double().abs().max().clamp(min=1))


def _activation(module: nn.Module) -> str | None:
    name = next((name for kind, name in ACTIVATIONS.items() if type(module) is kind), None)
    tanh = isinstance(module, nn.GELU) and module.approximate == "tanh"
    return "gelu-tanh" if tanh else name


def _tensors(given: Any) -> Iterator[Tensor]:
    """Tensors of real numbers in what a module answers with, in order."""
    if isinstance(given, Tensor):
        if given.is_floating_point():
            yield given
    elif isinstance(given, Mapping):
        for value in given.values():
            yield from _tensors(value)
    elif isinstance(given, list | tuple):
        for value in given:
            yield from _tensors(value)
