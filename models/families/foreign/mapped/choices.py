"""What tensors leave open: said by the mapping, seen in the module, or tried one after another."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, get_args

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.foreign.mapped.mapping import (
    MATRICES,
    ORDERS,
    Layout,
    NameMapping,
)
from mechprobe.models.families.foreign.mapped.names import Found
from mechprobe.models.families.foreign.mapped.oriented import is_square
from mechprobe.models.families.foreign.mapped.translated import Choice
from mechprobe.models.families.transformer.config import EPS, Activation

MOST_HEADS = 16  # that are tried
MOST = 6000  # choices that are tried: a run of each takes about a millisecond
Axes = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Seen:
    """What a module shows beside its tensors.

    Attributes:
        activation: of its feed-forward layers, where a submodule says it.
        eps: of its LayerNorms, likewise.
        causal: whether later tokens change earlier answers.
        linear: names of the weights of its linear layers, which lie as [out, in].
    """

    activation: str | None = None
    eps: float | None = None
    causal: bool = False
    linear: frozenset[str] = field(default_factory=frozenset)


def said(found: Found, mapping: NameMapping) -> Choice:
    """The choice that a mapping makes, for a state dict that nothing can be compared with.

    Raises:
        MechprobeError: it leaves something open; says what, with an example.
    """
    kinds, others = _norms(found, mapping), _as_others(found)
    open_ = [r for r in _squares(found) if (_layout(mapping, r) or others) is None]
    lacking = {
        'heads = 2 (how many of a block; one is "heads = 1")': _heads(found, mapping) is None,
        'activation = "relu" (or "gelu", ...)': mapping.activation is None,
        'norm = "pre" (or "post")': len(kinds) > 1,
        f'layout = "out-in" (as in nn.Linear; "in-out" for x @ W), since {", ".join(open_)}'
        " are square": bool(open_),
    }
    wanted = [example for example, lacks in lacking.items() if lacks]
    if wanted:
        raise MechprobeError(
            f"mapping: weights alone do not show everything; say in it {'; '.join(wanted)}; or give"
            " from_torch the module, then it is found by comparing answers"
        )
    return Choice(
        heads=_heads(found, mapping) or 1,
        activation=mapping.activation or "relu",
        norm=kinds[0],
        causal=bool(mapping.causal),
        scale=mapping.scale,
        eps=mapping.eps or EPS,
        qkv_order=mapping.qkv_order or ORDERS[0],
        layout={role: _layout(mapping, role) or others or "out-in" for role in MATRICES},
    )


def left_open(found: Found, mapping: NameMapping, seen: Seen) -> Axes:
    """What mapping and module leave open: fields of `Choice`, and values of each, the usual ones
    first."""
    activations = [one for one in (mapping.activation, seen.activation) if one is not None][:1]
    fused = any("qkv" in block for block in found.blocks)
    compares = any({"qkv", "q"} & block.keys() for block in found.blocks)
    heads = _heads(found, mapping)
    orders = list(ORDERS) if fused else [ORDERS[0]]
    scales = [mapping.scale] if mapping.scale or not compares else [None, _width(found), 1.0]
    return {
        "layout": list(_layouts(_squares(found), found, mapping, seen)),
        "heads": [heads] if heads is not None else list(_divisors(found)),
        "norm": _norms(found, mapping),
        "activation": activations or list(get_args(Activation)),
        "causal": [seen.causal if mapping.causal is None else mapping.causal],
        "scale": scales,
        "eps": [mapping.eps or seen.eps or EPS],
        "qkv_order": [mapping.qkv_order] if mapping.qkv_order else orders,
    }


def tried(axes: Axes) -> Iterator[Choice]:
    """Every choice of what is left open."""
    for values in islice(product(*axes.values()), MOST):
        yield Choice(**dict(zip(axes, values, strict=True)))


def told(choice: Choice, found: Found, mapping: NameMapping) -> str:
    """What was found by comparing answers, in words; empty where the mapping says all."""
    parts = {
        f"heads={choice.heads}": _heads(found, mapping) is None,
        f"activation {choice.activation}": mapping.activation is None,
        f'norm "{choice.norm}"': len(_norms(found, mapping)) > 1,
        f"scores divided by {choice.scale}": choice.scale not in (None, mapping.scale),
        f"qkv_order {choice.qkv_order}": mapping.qkv_order is None
        and choice.qkv_order != ORDERS[0],
        "causal": choice.causal and mapping.causal is None,
        "as x @ W: "
        + ", ".join(role for role in _squares(found) if choice.layout.get(role) == "in-out"): any(
            choice.layout.get(role) == "in-out" and _layout(mapping, role) is None
            for role in _squares(found)
        ),
    }
    return ", ".join(text for text, is_news in parts.items() if is_news)


def _heads(found: Found, mapping: NameMapping) -> int | None:
    constant = all("mix" in block for block in found.blocks)
    return found.heads or mapping.heads or (1 if constant else None)


def _divisors(found: Found) -> Iterator[int]:
    """Numbers of heads that the projections can be shared out among."""
    block = found.blocks[0]
    part = block["qkv"][0] if "qkv" in block else block["q"][0]
    outputs = part.weight.numel() // max(1, int(_width(found) ** 2 + 0.5))
    inner = outputs // 3 if "qkv" in block else outputs
    yield from (n for n in range(1, MOST_HEADS + 1) if inner % n == 0)


def _width(found: Found) -> float:
    """The root of the width of the stream, by which some divide scores whatever a head's width."""
    return math.sqrt(found.ends["embed"].weight.shape[-1])


def _norms(found: Found, mapping: NameMapping) -> list[str]:
    if mapping.norm is not None:
        return [mapping.norm]
    first = all("ln1" in block for block in found.blocks)
    second = all("ln2" in block for block in found.blocks)
    if first and not second:
        raise MechprobeError(
            "mapping: ln1 without ln2 is no shape that is read; give the module to mechprobe.wrap"
        )
    return ["pre", "post"] if first else (["mlp"] if second else ["none"])


def _squares(found: Found) -> list[str]:
    """Parts with a square matrix."""
    roles = {role for role, part in found.parts() if role in MATRICES and is_square(part)}
    tied = found.ends.get("unembed")
    if tied is not None and tied.name == found.ends["embed"].name:
        roles.discard("unembed")  # rows are tokens, in both
    return [role for role in MATRICES if role in roles]


def _layout(mapping: NameMapping, role: str) -> Layout | None:
    return mapping.layout if isinstance(mapping.layout, str) else mapping.layout.get(role)


def _as_others(found: Found) -> Layout | None:
    """How the matrices lie whose shape shows it, where they agree: one code wrote them all."""
    d = found.ends["embed"].weight.shape[-1]
    reading = ("q", "k", "v", "qkv", "mlp_in")  # the stream
    parts = [part for role, part in found.parts() if role in reading and part.weight.ndim == 2]
    ways: set[Layout] = {
        "out-in" if part.weight.shape[1] == d else "in-out"
        for part in parts
        if not is_square(part) and d in part.weight.shape
    }
    return ways.pop() if len(ways) == 1 else None


def _layouts(
    squares: list[str], found: Found, mapping: NameMapping, seen: Seen
) -> Iterator[Mapping[str, Layout]]:
    """Ways in which square matrices may lie; all alike first."""
    known: dict[str, Layout] = {}
    for role in squares:
        own = _layout(mapping, role)
        parts = [part for other, part in found.parts() if other == role]
        if own is not None:
            known[role] = own
        elif all(part.name in seen.linear for part in parts):
            known[role] = "out-in"
    left = [role for role in squares if role not in known]
    ways: tuple[Layout, Layout] = ("out-in", "in-out")
    combinations = sorted(product(ways, repeat=len(left)), key=lambda one: len(set(one)))
    for one in combinations:
        yield known | dict(zip(left, one, strict=True))
