"""The verdict on a student of a teacher attention: positional, semantic, mixed or uninformed.

A part of the attention is there if its overlap passes what random students of the same size and
d have (a measured null) and if the answers change with it. The null alone would not do, for
training data widen the spread of an overlap beyond that of random students. Where both parts are
there, their effects on the answers decide.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from probes.mechanism.rule import ONE_SIDED
from probes.order import REPLICATES, OrderParameters, order_parameters
from probes.results import AttentionKind, MechanismLabel, Metric
from probes.teacher import PARTS, TeacherContext

RULE_VERSION = "attention-3"
INFORMED = ("positional", "semantic")
LEAST = 0.02  # of what the whole attention changes: what a part has to change to be there


@dataclass(frozen=True)
class Effects:
    """How much answers change with a part of queries and keys, |f - f'|^2 / 2d of every sequence.

    Args:
        positional, semantic: mean of the change when the part is added to none and to the other.
        whole: from uniform attention to the untouched model.
    """

    positional: Float[np.ndarray, " n"]
    semantic: Float[np.ndarray, " n"]
    whole: Float[np.ndarray, " n"]

    def sizes(self, rows: np.ndarray | slice = slice(None)) -> tuple[float, float]:
        """Positional and semantic effect over that of the whole attention.

        They need not be below 1: parts may cancel in the whole."""
        whole = max(float(self.whole[rows].mean()), 1e-300)
        return (
            float(self.positional[rows].mean()) / whole,
            float(self.semantic[rows].mean()) / whole,
        )


def measure_effects(context: TeacherContext) -> Effects:
    """Add each part alone, on top of the other, and all, through hook_q and hook_k."""

    def change(kept: tuple[str, ...], other: tuple[str, ...]) -> np.ndarray:
        difference = context.answers_with(kept) - context.answers_with(other)
        found: np.ndarray = difference.double().square().sum((-2, -1)).numpy()
        return found / (2 * context.task.d)

    return Effects(
        positional=(change(("positional",), ()) + change(INFORMED, ("semantic",))) / 2,
        semantic=(change(("semantic",), ()) + change(INFORMED, ("positional",))) / 2,
        whole=change(PARTS, ()),
    )


def semantic_share(sizes: tuple[float, float]) -> float | None:
    """Share of the semantic part in what both change; None where neither changes anything."""
    whole = sum(sizes)
    return sizes[1] / whole if whole > 0 else None


def attention_axis(positional: bool, semantic: bool, share: float | None) -> AttentionKind:
    """The label.

    Args:
        positional, semantic: whether the parts are there.
        share: of the semantic part in what both change, None where neither changes anything.
    """
    if positional != semantic:
        return "positional" if positional else "semantic"
    if not positional:
        return "uninformed"
    if share is None:
        return "mixed"
    if share >= ONE_SIDED:
        return "semantic"
    return "positional" if share <= 1 - ONE_SIDED else "mixed"


def label_in(context: TeacherContext) -> MechanismLabel:
    """Which overlap a student's attention lives by.

    Raises:
        MechprobeError: weights so large that fields or answers overflow.
    """
    error = context.errors.mean().item()  # first, for it refuses what overflows
    order, effects = order_parameters(context), measure_effects(context)
    sizes = effects.sizes()
    there = _there((order.m.present, order.theta.present), sizes)
    kind = attention_axis(*there, semantic_share(sizes))
    same = _same(context, order, effects, kind)
    return MechanismLabel(
        mechanism=None,
        attention=kind,
        counters=None,
        confidence=None,
        agreement=None,
        attention_agreement=same / REPLICATES,
        # Laplace's rule: no number of replicates makes a label certain.
        attention_confidence=(same + 1) / (REPLICATES + 2),
        accuracy=None,
        test_error=error,
        reasons=_reasons(context, order, sizes),
        evidence=_evidence(context, order, sizes),
        version=version(),
        seed=context.seed,
    )


def version() -> str:
    """Version of the rule: what a stored label was made with."""
    return RULE_VERSION


def _there(passed: tuple[bool, bool], sizes: tuple[float, float]) -> tuple[bool, bool]:
    return passed[0] and sizes[0] >= LEAST, passed[1] and sizes[1] >= LEAST


def _same(
    context: TeacherContext, order: OrderParameters, effects: Effects, kind: AttentionKind
) -> int:
    """How many replicates, of coordinates for the overlaps and of sequences for the effects,
    get the same label."""
    generator, n = context.generator("label"), len(effects.whole)
    same = 0
    for m, theta in zip(order.m.replicates, order.theta.replicates, strict=True):
        sizes = effects.sizes(torch.randint(n, (n,), generator=generator).numpy())
        passed = bool(m > order.m.threshold), bool(theta > order.theta.threshold)
        same += attention_axis(*_there(passed, sizes), semantic_share(sizes)) == kind
    return same


def _reasons(
    context: TeacherContext, order: OrderParameters, sizes: tuple[float, float]
) -> list[str]:
    d = context.task.d
    found = []
    for name, symbol, one in (("positional", "m", order.m), ("semantic", "θ", order.theta)):
        relation = "above" if one.present else "within"
        found.append(
            f"{name}: {symbol} = {one.value:.3g} ± {one.error:.2g}, {relation} the"
            f" {one.threshold:.3g} that 99 % of random Q of this size stay below at d={d}"
        )
    found.append(
        f"answers: the positional part changes them by {sizes[0]:.1%} of what the whole attention"
        f" does, the semantic part by {sizes[1]:.1%}; from {LEAST:.0%} on a part counts"
    )
    return found


def _evidence(
    context: TeacherContext, order: OrderParameters, sizes: tuple[float, float]
) -> dict[str, Metric]:
    def error(*kept: str) -> float:
        return context.errors_with(kept).mean().item()

    spread = context.errors.std().item() / math.sqrt(len(context.errors))
    rows: dict[str, tuple[float | None, float | None, float | None, str]] = {
        "m": (order.m.value, 0, None, "overlap with the positional direction"),
        "m_error": (order.m.error, 0, None, "its finite-size standard error"),
        "m_null": (order.m.threshold, 0, None, "99 % of random students have less"),
        "theta": (order.theta.value, 0, None, "overlap with the teacher"),
        "theta_error": (order.theta.error, 0, None, "its finite-size standard error"),
        "theta_null": (order.theta.threshold, 0, None, "99 % of random students have less"),
        "q": (order.q, 0, None, "size |Q|^2/d"),
        "positional_effect": (sizes[0], 0, None, "change of answers over the whole attention's"),
        "semantic_effect": (sizes[1], 0, None, "change of answers over the whole attention's"),
        "semantic_share": (semantic_share(sizes), 0, 1, "semantic part of both effects"),
        "test_error": (error(*PARTS), 0, None, "mean |y-f|^2/2d"),
        "test_error_se": (spread, 0, None, "its standard error"),
        "without_positional": (error("semantic", "rest"), 0, None, "error, that part removed"),
        "without_semantic": (error("positional", "rest"), 0, None, "error, that part removed"),
        "positional_alone": (error("positional"), 0, None, "error by it alone"),
        "semantic_alone": (error("semantic"), 0, None, "error by it alone"),
        "uniform": (error(), 0, None, "error of uniform attention"),
    }
    return {
        name: Metric(value=value, unit="1", low=low, high=high, description=text)
        for name, (value, low, high, text) in rows.items()
    }
