"""The verdict on a student of a teacher attention: positional, semantic, mixed or uninformed.

An overlap is there if it passes what random students of the same size and d have (a measured
null). Where both are there, what each part of the attention is worth alone decides, for the
overlap that training did not look for is biased beyond chance by the training data.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float

from probes.mechanism.rule import ONE_SIDED
from probes.order import REPLICATES, OrderParameters, order_parameters
from probes.results import AttentionKind, MechanismLabel, Metric
from probes.teacher import TeacherContext

RULE_VERSION = "attention-1"
INFORMED = ("positional", "semantic")


@dataclass(frozen=True)
class PartErrors:
    """Test errors of every sequence by the parts of queries and keys that are kept."""

    uniform: Float[np.ndarray, " n"]
    positional: Float[np.ndarray, " n"]
    semantic: Float[np.ndarray, " n"]
    both: Float[np.ndarray, " n"]

    def worth(self, rows: np.ndarray | slice = slice(None)) -> tuple[float, float]:
        """What the positional and the semantic part take off the error of uniform attention:
        each part's Shapley value, its gain averaged over the order in which parts are added."""
        u, p, s, b = (
            float(e[rows].mean()) for e in (self.uniform, self.positional, self.semantic, self.both)
        )
        return ((u - p) + (s - b)) / 2, ((u - s) + (p - b)) / 2


def semantic_share(worth: tuple[float, float]) -> float | None:
    """Share of the semantic part in what both are worth; None where neither is worth anything."""
    positional, semantic = (max(value, 0.0) for value in worth)
    whole = positional + semantic
    return semantic / whole if whole > 0 else None


def attention_axis(positional: bool, semantic: bool, share: float | None) -> AttentionKind:
    """The label.

    Args:
        positional, semantic: whether m and theta are more than chance gives.
        share: of the semantic part in what both parts are worth, None where unknown.
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
    """Which overlap a student's attention lives by."""
    order, errors = order_parameters(context), _errors(context)
    worth = errors.worth()
    share = semantic_share(worth)
    kind = attention_axis(order.m.present, order.theta.present, share)
    same = _same(context, order, errors, kind)
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
        test_error=context.errors.mean().item(),
        reasons=_reasons(context, order, worth, share),
        evidence=_evidence(context, order, errors, share),
        version=version(),
        seed=context.seed,
    )


def version() -> str:
    """Version of the rule: what a stored label was made with."""
    return RULE_VERSION


def _errors(context: TeacherContext) -> PartErrors:
    kept = [c for n in range(3) for c in combinations(INFORMED, n)]
    uniform, positional, semantic, both = (context.errors_with(c).numpy() for c in kept)
    return PartErrors(uniform, positional, semantic, both)


def _same(
    context: TeacherContext, order: OrderParameters, errors: PartErrors, kind: AttentionKind
) -> int:
    """How many replicates, of coordinates for the overlaps and of sequences for the errors,
    get the same label."""
    generator, n = context.generator("label"), len(errors.both)
    same = 0
    for m, theta in zip(order.m.replicates, order.theta.replicates, strict=True):
        rows = torch.randint(n, (n,), generator=generator).numpy()
        share = semantic_share(errors.worth(rows))
        there = bool(m > order.m.threshold), bool(theta > order.theta.threshold)
        same += attention_axis(*there, share) == kind
    return same


def _reasons(
    context: TeacherContext,
    order: OrderParameters,
    worth: tuple[float, float],
    share: float | None,
) -> list[str]:
    d = context.task.d
    found = []
    for name, symbol, one in (("positional", "m", order.m), ("semantic", "θ", order.theta)):
        relation = "above" if one.present else "within"
        found.append(
            f"{name}: {symbol} = {one.value:.4f} ± {one.error:.4f}, {relation} the"
            f" {one.threshold:.4f} that 99 % of random Q of this size stay below at d={d}"
        )
    if not (order.m.present or order.theta.present):
        return found
    if share is None:
        found.append("errors: neither part alone improves on uniform attention")
    else:
        found.append(
            f"errors: of what both parts take off the error of uniform attention"
            f" {share:.0%} is the semantic part's"
            f" ({worth[1]:.2e} against {worth[0]:.2e})"
        )
    return found


def _evidence(
    context: TeacherContext, order: OrderParameters, errors: PartErrors, share: float | None
) -> dict[str, Metric]:
    n = math.sqrt(len(errors.both))
    rest = {part: ("rest", *(p for p in INFORMED if p != part)) for part in INFORMED}
    without = {part: context.errors_with(kept).mean().item() for part, kept in rest.items()}
    rows: dict[str, tuple[float | None, float | None, float | None, str]] = {
        "m": (order.m.value, 0, None, "overlap with the positional direction"),
        "m_error": (order.m.error, 0, None, "its finite-size standard error"),
        "m_null": (order.m.threshold, 0, None, "99 % of random students have less"),
        "theta": (order.theta.value, 0, None, "overlap with the teacher"),
        "theta_error": (order.theta.error, 0, None, "its finite-size standard error"),
        "theta_null": (order.theta.threshold, 0, None, "99 % of random students have less"),
        "q": (order.q, 0, None, "size |Q|^2/d"),
        "semantic_share": (share, 0, 1, "semantic part of what both parts are worth"),
        "test_error": (context.errors.mean().item(), 0, None, "mean |y-f|^2/2d"),
        "test_error_se": (context.errors.std().item() / n, 0, None, "its standard error"),
        "without_positional": (without["positional"], 0, None, "error, positional part removed"),
        "without_semantic": (without["semantic"], 0, None, "error, semantic part removed"),
        "positional_alone": (float(errors.positional.mean()), 0, None, "error by it alone"),
        "semantic_alone": (float(errors.semantic.mean()), 0, None, "error by it alone"),
        "uniform": (float(errors.uniform.mean()), 0, None, "error of uniform attention"),
    }
    return {
        name: Metric(value=value, unit="1", low=low, high=high, description=text)
        for name, (value, low, high, text) in rows.items()
    }
