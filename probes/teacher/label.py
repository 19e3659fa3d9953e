"""The verdict on a student of a teacher attention: positional, semantic, mixed or uninformed.

A part of the attention is there if its overlap passes what random students of the same size and
d have (a measured null) and if the answers change with it. The null alone would not do, for
training data widen the spread of an overlap beyond that of random students. Where both parts are
there, their effects on the answers decide.
"""

import math

import numpy as np

from mechprobe.models.base.draws import draw_integers
from mechprobe.probes.attention import ATTENTION, AttentionKind
from mechprobe.probes.constants import constants_behind, digest
from mechprobe.probes.effects import (
    EFFECTS,
    Effects,
    attention_axis,
    enough,
    semantic_share,
    sentence,
)
from mechprobe.probes.mixing_accuracy import Numbers
from mechprobe.probes.results import MechanismLabel, Metric
from mechprobe.probes.teacher import interchanged_fields
from mechprobe.probes.teacher.calibration import CAUTIOUS, beyond, calibrated, load
from mechprobe.probes.teacher.context import PARTS, TeacherContext
from mechprobe.probes.teacher.order import (
    MOST_RANDOM,
    REPLICATES,
    OrderParameters,
    order_parameters,
)

RULE_VERSION = "attention-3"  # raise it when the rule changes
# What is kept of queries and keys, by the names of `Effects.of`.
KEPT = {
    "whole": PARTS,
    "both": ("positional", "semantic"),
    "positional": ("positional",),
    "semantic": ("semantic",),
    "neither": (),
}


def measure_effects(context: TeacherContext) -> Effects:
    """|f - f'|^2 / 2d with each part of the attention, through hook_q and hook_k."""

    def change(kept: str, other: str) -> np.ndarray:
        difference = context.answers_with(KEPT[kept]) - context.answers_with(KEPT[other])
        found: np.ndarray = difference.double().square().sum((-2, -1)).numpy()
        return found / (2 * context.task.d)

    return Effects.of(change)


def label_in(context: TeacherContext) -> MechanismLabel:
    """Which overlap a student's attention lives by.

    Raises:
        MechprobeError: weights so large that fields or answers overflow.
    """
    _ = context.errors  # first, for it refuses what overflows
    order, effects = order_parameters(context), measure_effects(context)
    sizes = effects.sizes()
    there = _there((order.m.present, order.theta.present), sizes)
    kind = attention_axis(*there, semantic_share(sizes))
    same = _same(context, order, effects, kind)
    reasons = _reasons(context, order, sizes, there)
    mixing = interchanged_fields.numbers(context)
    # No number of replicates makes a label certain; students of known attention tell how sure.
    sure, outside = calibrated(same / REPLICATES), beyond(context)
    told = [f"mixing: {interchanged_fields.sentence(mixing, kind)}"]
    return MechanismLabel(
        axes=[
            ATTENTION.labelled(
                kind,
                confidence=min(sure, CAUTIOUS) if outside else sure,
                agreement=same / REPLICATES,
                reason=reasons[-1].partition(": ")[2],
                details={"beyond": list(outside)},
            )
        ],
        reasons=reasons + told + [f"beyond: {text}" for text in outside.values()],
        evidence=_evidence(context, order, sizes, mixing),
        version=version(),
        seed=context.seed,
    )


def version() -> str:
    """The rule's own version, and a digest of every constant it uses and of the calibration."""
    fitted = load().model_dump(exclude={"made_by", "models", "seed"})
    return f"{RULE_VERSION}-{digest({**constants_behind(__name__), 'calibration': fitted})}"


def _there(passed: tuple[bool, bool], sizes: tuple[float, float]) -> tuple[bool, bool]:
    positional, semantic = enough(sizes)
    return passed[0] and positional, passed[1] and semantic


def _same(
    context: TeacherContext, order: OrderParameters, effects: Effects, kind: AttentionKind
) -> int:
    """How many replicates, of coordinates for the overlaps and of sequences for the effects,
    get the same label."""
    generator, n = context.generator("label"), len(effects.whole)
    same = 0
    for m, theta in zip(order.m.replicates, order.theta.replicates, strict=True):
        sizes = effects.sizes(draw_integers(n, (n,), generator).numpy())
        passed = bool(m > order.m.threshold), bool(theta > order.theta.threshold)
        same += attention_axis(*_there(passed, sizes), semantic_share(sizes)) == kind
    return same


def _reasons(
    context: TeacherContext,
    order: OrderParameters,
    sizes: tuple[float, float],
    there: tuple[bool, bool],
) -> list[str]:
    d = context.task.d
    found = []
    for name, symbol, one in (("positional", "m", order.m), ("semantic", "θ", order.theta)):
        relation = "above" if one.present else "within"
        found.append(
            f"{name}: {symbol} = {one.value:.3g} ± {one.error:.2g}, {relation} the"
            f" {one.threshold:.3g} that {MOST_RANDOM} of random Q of this size stay below at d={d}"
        )
    found.append(f"answers: {sentence(sizes, all(there))}")
    return found


def _evidence(
    context: TeacherContext,
    order: OrderParameters,
    sizes: tuple[float, float],
    mixing: Numbers,
) -> dict[str, Metric]:
    def error(*kept: str) -> float:
        return context.errors_with(kept).mean().item()

    spread = context.errors.std().item() / math.sqrt(len(context.errors))
    rows: dict[str, tuple[float | None, float | None, float | None, str]] = {
        "m": (order.m.value, 0, None, "overlap m with the positional direction"),
        "m_error": (order.m.error, 0, None, "finite-size standard error of m"),
        "m_null": (
            order.m.threshold,
            0,
            None,
            f"{MOST_RANDOM} of random students have a smaller m",
        ),
        "theta": (order.theta.value, 0, None, "overlap theta with the teacher"),
        "theta_error": (order.theta.error, 0, None, "finite-size standard error of theta"),
        "theta_null": (
            order.theta.threshold,
            0,
            None,
            f"{MOST_RANDOM} of random students have a smaller theta",
        ),
        "q": (order.q, 0, None, "size of the weights, |Q|^2/d"),
        "positional_effect": (sizes[0], 0, None, EFFECTS["positional_effect"]),
        "semantic_effect": (sizes[1], 0, None, EFFECTS["semantic_effect"]),
        "semantic_share": (semantic_share(sizes), 0, 1, EFFECTS["semantic_share"]),
        "test_error": (error(*PARTS), 0, None, "test error, mean |y-f|^2/2d"),
        "test_error_se": (spread, 0, None, "standard error of the test error"),
        "without_positional": (
            error("semantic", "rest"),
            0,
            None,
            "test error without the positional part",
        ),
        "without_semantic": (
            error("positional", "rest"),
            0,
            None,
            "test error without the semantic part",
        ),
        "positional_alone": (
            error("positional"),
            0,
            None,
            "test error with the positional part alone",
        ),
        "semantic_alone": (
            error("semantic"),
            0,
            None,
            "test error with the semantic part alone",
        ),
        "uniform": (error(), 0, None, "test error of uniform attention"),
        **{
            f"mixing_{name}": (mixing[name], 0, 1, text)
            for name, text in interchanged_fields.told().items()
        },
    }
    return {
        name: Metric(value=value, unit="1", low=low, high=high, description=text)
        for name, (value, low, high, text) in rows.items()
    }
