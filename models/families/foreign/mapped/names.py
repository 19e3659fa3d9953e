"""Tensors of a state dict by the parts that a mapping names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.mapped.mapping import NameMapping

BLOCKS = 16  # that are looked for
# How a module's name becomes those of its weight and its bias; nn.MultiheadAttention joins by "_".
ENDINGS = ((".weight", ".bias"), ("_weight", "_bias"), ("", None))
OF_BLOCKS = ("ln1", "q", "k", "v", "qkv", "o", "mix", "ln2", "mlp_in", "mlp_out")


@dataclass(frozen=True)
class Part:
    """A weight and its bias as the state dict has them.

    Args:
        name: of the weight.
        weight: itself.
        bias: None where there is none.
        bias_name: its name.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    bias_name: str | None

    @property
    def module(self) -> str:
        """Name of the module that would have this weight as its `weight`."""
        return self.name.removesuffix(".weight")


Block = dict[str, list[Part]]  # by part; one for each head where names tell heads apart


@dataclass(frozen=True)
class Found:
    """What a mapping names in a state dict.

    Args:
        ends: parts outside of blocks.
        blocks: parts of each.
        left: names of tensors that no part has.
    """

    ends: dict[str, Part]
    blocks: list[Block]
    left: list[str]

    @property
    def heads(self) -> int | None:
        """Their number where names tell them apart."""
        most = max(len(parts) for block in self.blocks for parts in block.values())
        return most if most > 1 else None

    def renamed(self, names: Mapping[str, str]) -> "Found":
        """The same under the names that a module has for its tensors."""

        def own(part: Part) -> Part:
            bias = None if part.bias_name is None else names[part.bias_name]
            return replace(part, name=names[part.name], bias_name=bias)

        ends = {role: own(part) for role, part in self.ends.items()}
        blocks = [{r: [own(one) for one in parts] for r, parts in b.items()} for b in self.blocks]
        return Found(ends, blocks, [names[name] for name in self.left])

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Every part with its role."""
        yield from self.ends.items()
        for block in self.blocks:
            for role, several in block.items():
                yield from ((role, part) for part in several)


def found_in(state: Mapping[str, Tensor], mapping: NameMapping) -> Found:
    """Look up what a mapping names.

    Args:
        state: tensors by name; may be without numbers.
        mapping: names of parts.

    Raises:
        MechprobeError: a name is not there; says which names are.
    """
    roles = mapping.names
    ends = {role: _part(state, mapping, role, 0) for role in roles if role not in OF_BLOCKS}
    inner = [role for role in roles if role in OF_BLOCKS]
    blocks = [
        {role: _heads(state, mapping, role, i) for role in inner}
        for i in range(_number(state, {role: roles[role] for role in inner}))
    ]
    found = Found(ends, blocks, [])
    used = {name for _, part in found.parts() for name in (part.name, part.bias_name)}
    return Found(ends, blocks, [name for name in state if name not in used])


def unknown(state: Weights, found: Found, mapping: NameMapping) -> list[str]:
    """Names of tensors that no part has and that may change the answer: of real numbers, no mask,
    and not to be ignored."""
    return [
        name
        for name in found.left
        if state[name].is_floating_point()
        and not name.startswith(mapping.ignore)
        and not is_causal_mask(state[name])
    ]


def is_causal_mask(tensor: Tensor) -> bool:
    """Whether a tensor is the lower triangle that hides later positions; False without numbers,
    but for one of such a shape."""
    square = tensor.ndim >= 2 and tensor.shape[-1] == tensor.shape[-2] > 1
    if not square or tensor.shape[:-2].numel() != 1:
        return False
    if tensor.is_meta:
        return True  # it is looked at again once it is loaded
    flat = tensor.reshape(tensor.shape[-2:])
    shown = flat == 0 if flat.isinf().any() else flat != 0
    lower = torch.ones_like(shown).tril()
    return bool((shown == lower).all())


def _number(state: Mapping[str, Tensor], inner: Mapping[str, str | tuple[str, ...]]) -> int:
    """How many blocks there are: as many names as are given, or as are found."""
    listed = {len(name) for name in inner.values() if isinstance(name, tuple)}
    if len(listed) > 1:
        raise MechprobeError("mapping: lists of names have different lengths; one name a block")
    if listed:
        return listed.pop()
    counted = [name for name in inner.values() if "{block}" in name]
    if not counted:
        return 1
    there = [_names(state, _at(counted[0], block, 0)) is not None for block in range(BLOCKS)]
    return max(1, sum(there))


def _at(name: str | tuple[str, ...], block: int, head: int) -> str:
    own = name[block] if isinstance(name, tuple) else name
    return own.replace("{block}", str(block)).replace("{head}", str(head))


def _heads(state: Mapping[str, Tensor], mapping: NameMapping, role: str, block: int) -> list[Part]:
    """The parts of a role in a block: one, or one a head."""
    name = mapping.names[role]
    parts = [_part(state, mapping, role, block)]
    if _at(name, 0, 0) != _at(name, 0, 1):
        while _names(state, _at(name, block, len(parts))) is not None:
            parts.append(_part(state, mapping, role, block, len(parts)))
    return parts


def _part(
    state: Mapping[str, Tensor], mapping: NameMapping, role: str, block: int, head: int = 0
) -> Part:
    name = _at(mapping.names[role], block, head)
    names = _names(state, name)
    if names is None:
        raise _lacks(role, name, state)
    weight, bias = names
    if role in mapping.bias:
        bias = _at(mapping.bias[role], block, head)
        if bias not in state:
            raise _lacks(f"bias.{role}", bias, state)
    return Part(weight, state[weight], None if bias is None else state[bias], bias)


def _lacks(role: str, name: str, state: Iterable[str]) -> MechprobeError:
    return MechprobeError(
        f"mapping: {role} = {short(repr(name), 80)} is not in the state dict; it holds"
        f" {some(state)}"
    )


def _names(state: Mapping[str, Tensor], name: str) -> tuple[str, str | None] | None:
    """Names of a weight and of its bias; None where there is no such weight."""
    for weight, bias in ENDINGS:
        if name + weight in state:
            beside = name + bias if bias is not None else _sibling(name)
            return name + weight, beside if beside in state else None
    return None


def _sibling(name: str) -> str:
    """Where the bias of a weight would lie."""
    return name.removesuffix("weight") + "bias" if name.endswith("weight") else ""


def some(names: Iterable[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(short(name, 60) for name in listed[:most]) + more
