"""The verdict on a model that counts: rule, bootstrap, calibrated confidence, reasons."""

from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from mechprobe.models import MechprobeError
from mechprobe.probes.attention import ATTENTION, AttentionKind
from mechprobe.probes.counting.causal.remove_shared import Removal, remove
from mechprobe.probes.counting.context import CountContext, needs_counts
from mechprobe.probes.counting.kinds import COUNTING, Mechanism
from mechprobe.probes.counting.label.attention import Answers, attention_evidence
from mechprobe.probes.counting.label.bootstrap import Agreement, agreement
from mechprobe.probes.counting.label.calibration import attention_calibrated, calibrated
from mechprobe.probes.counting.label.rule import (
    PRIVATE,
    SHARED,
    CountEvidence,
    count_counters,
    counters_sentence,
    counting_mechanism,
    token_kinds,
)
from mechprobe.probes.counting.label.version import version as version
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.counting.score_terms import POSITIONAL, SEMANTIC
from mechprobe.probes.counting.source_runs import why_not_split
from mechprobe.probes.counting.sources import Sources, sources
from mechprobe.probes.counting.variation import Variation
from mechprobe.probes.effects import EFFECTS, semantic_share
from mechprobe.probes.results import MechanismLabel, Metric


@dataclass(frozen=True)
class Verdict:
    """A label before its confidence is calibrated, with what it rests on."""

    mechanism: Mechanism
    why: str
    attention: AttentionKind | None
    why_attention: str
    evidence: CountEvidence
    agreed: Agreement
    removal: Removal
    variation: Variation | None
    split: Sources | None
    effects: tuple[float, float] | None


def label_in(context: CountContext) -> MechanismLabel:
    """Which mechanism a model counts by, and what its attention depends on.

    Raises:
        MechprobeError: L = 2, which leaves a single count to compare.
    """
    v = judge(context)
    counters = count_counters(v.mechanism, v.evidence)
    reasons = [f"counting: {v.why}", f"attention: {v.why_attention}"]
    if shared := counters_sentence(v.mechanism, v.evidence):
        reasons.insert(1, f"counters: {shared}")
    if context.model.cfg.n_layers > 1:
        reasons.append(
            "depth: counts are looked for after the last attention; an earlier feed-forward layer"
            " may have looked them up before (probe count-by-block)"
        )
    details: dict[str, JsonValue] = {
        "counters": counters,
        "tokens": list(token_kinds(v.evidence.kappa)),
        "kappa": [None if np.isnan(value) else float(value) for value in v.evidence.kappa],
    }
    axes = [
        COUNTING.labelled(
            v.mechanism,
            confidence=calibrated(v.agreed.margin),
            agreement=v.agreed.mechanism,
            reason=v.why,
            details=details,
        )
    ]
    if v.attention is not None:
        agreed = v.agreed.attention
        sure = None if agreed is None else attention_calibrated(agreed)
        axes.append(
            ATTENTION.labelled(
                v.attention, confidence=sure, agreement=agreed, reason=v.why_attention
            )
        )
    return MechanismLabel(
        axes=axes,
        reasons=reasons,
        evidence=_evidence(v),
        version=version(),
        seed=context.seed,
    )


def judge(context: CountContext) -> Verdict:
    """Measure, decide, and decide again on resampled data.

    Raises:
        MechprobeError: the task leaves a single count to compare.
    """
    if context.task.L < 3:
        raise MechprobeError(f"L={context.task.L}: a mechanism label needs L of at least 3")
    if why := needs_counts(context.model, context.task):
        raise MechprobeError(f"no label: {why}")
    transport, removal = context.transport, remove(context)
    evidence = CountEvidence(
        accuracy=removal.before.double().mean().item(),
        own=np.diagonal(transport.matrix()).copy(),
        kappa=transport.kappa(),
        lost=removal.lost,
        counters=transport.counters,
        separable=context.reference.separable,
    )
    mechanism, why = counting_mechanism(evidence, f"{context.task.sampler} sequences")
    scores = None if why_not_split(context.model, context.task) else sources(context)
    attention = attention_evidence(context, scores)
    kind, why_attention = (
        attention.kind() if attention is not None else (None, lacks(context.model, "weights") or "")
    )
    labels = mechanism, kind
    agreed = agreement(transport, removal, attention, evidence, labels, context.seed)
    return Verdict(
        mechanism,
        why,
        kind,
        why_attention,
        evidence,
        agreed,
        removal,
        None if attention is None else context.variation,
        scores,
        attention.effects.sizes() if isinstance(attention, Answers) else None,
    )


# What the numbers behind a label mean: least and greatest possible value, description.
EVIDENCE: dict[str, tuple[float | None, float | None, str]] = {
    "accuracy": (0, 1, "share of right answers"),
    "chance": (0, 1, "accuracy of the best constant answer"),
    "own_slope": (None, None, "slope of the answer on the token's own count component"),
    "kappa": (None, None, "slope on other tokens' count component over the own, mean of tokens"),
    "shared": (0, 1, f"share of tokens with kappa of at least {SHARED}"),
    "private": (0, 1, f"share of tokens with |kappa| of at most {PRIVATE}"),
    "lost": (None, None, "accuracy above chance lost when the shared count component is removed"),
    "token_share": (0, 1, "share of the mixing weights' variation due to tokens"),
    "separable": (0, 1, "share of cells that tell one token's count from another's"),
    "variation": (0, None, "variation of the mixing weights relative to their size"),
    "m_like": (0, None, "typical positional part of a score; analogous to the order parameter m"),
    "theta_like": (
        0,
        None,
        "typical semantic part of a score; analogous to the order parameter theta",
    ),
    "score_positional": (None, None, "share of the scores' variance due to positions alone"),
    "score_semantic": (None, None, "share of the scores' variance due to tokens alone"),
    "positional_effect": (0, None, EFFECTS["positional_effect"]),
    "semantic_effect": (0, None, EFFECTS["semantic_effect"]),
    "semantic_share": (0, 1, EFFECTS["semantic_share"]),
}


def _evidence(v: Verdict) -> dict[str, Metric]:
    e = v.evidence
    shared, private = e.shares
    values: dict[str, float | None] = {
        "accuracy": e.accuracy,
        "chance": v.removal.chance,
        "own_slope": e.mean_own,
        "kappa": e.mean_kappa,
        "shared": shared,
        "private": private,
        "lost": e.lost,
        "separable": e.separable,
    }
    if v.variation is not None:
        values["token_share"], values["variation"] = v.variation.split()
    if v.split is not None:
        values |= {
            "m_like": v.split.m_like,
            "theta_like": v.split.theta_like,
            "score_positional": v.split.share(*POSITIONAL),
            "score_semantic": v.split.share(*SEMANTIC),
        }
    if v.effects is not None:
        values |= dict(zip(("positional_effect", "semantic_effect"), v.effects, strict=True))
        values["semantic_share"] = semantic_share(v.effects)
    return {
        name: Metric(value=values.get(name), unit="1", low=low, high=high, description=text)
        for name, (low, high, text) in EVIDENCE.items()
    }
