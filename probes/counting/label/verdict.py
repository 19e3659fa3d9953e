"""The verdict on a model that counts: rule, bootstrap, calibrated confidence, reasons."""

import numpy as np
from pydantic import JsonValue

from mechprobe.models import MechprobeError
from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.counting import interchanged_weights, storage
from mechprobe.probes.counting.causal.remove_shared import remove
from mechprobe.probes.counting.context import CountContext, needs_counts
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.counting.label.attention import Answers, attention_evidence
from mechprobe.probes.counting.label.bootstrap import Measured, agreement
from mechprobe.probes.counting.label.calibration import attention_calibrated, calibrated
from mechprobe.probes.counting.label.counters import count_counters, counters_sentence, variant
from mechprobe.probes.counting.label.depth import earlier
from mechprobe.probes.counting.label.elsewhere import elsewhere, sequences
from mechprobe.probes.counting.label.evidence import PRIVATE, CountEvidence, token_kinds
from mechprobe.probes.counting.label.interchanged import interchanged
from mechprobe.probes.counting.label.judged import EVIDENCE as EVIDENCE
from mechprobe.probes.counting.label.judged import Verdict, numbers_behind
from mechprobe.probes.counting.label.positional import by_position
from mechprobe.probes.counting.label.range import beyond, capped, unlike
from mechprobe.probes.counting.label.rule import counting_mechanism
from mechprobe.probes.counting.label.use import use
from mechprobe.probes.counting.label.version import version as version
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.counting.source_runs import why_not_split
from mechprobe.probes.counting.sources import sources
from mechprobe.probes.mixing_accuracy import better
from mechprobe.probes.results import MechanismLabel


def label_in(context: CountContext) -> MechanismLabel:
    """Which mechanism a model counts by, and what its attention depends on.

    Raises:
        MechprobeError: L = 2, which leaves a single count to compare.
    """
    v = judge(context)
    outside = beyond(v.mechanism, v.evidence, context)
    reasons = [f"counting: {v.why}", f"attention: {v.why_attention}"]
    if shared := counters_sentence(v.mechanism, v.evidence):
        reasons.insert(1, f"counters: {shared}")
    where = "at the last block, " if context.model.cfg.n_layers > 1 else ""
    reasons.append(f"interchange: {where}{v.measured.exchanged.sentence()}")
    if v.storage is not None:
        reasons.append(f"storage: {storage.sentence(v.storage)}")
    if v.attention is not None and v.mixing is not None:
        reasons.append(f"mixing: {interchanged_weights.sentence(v.mixing, v.attention)}")
    reasons += [f"beyond: {text}" for text in outside.values()]
    axes = [
        COUNTING.labelled(
            v.mechanism,
            # No surer than replicates agree, wherever the margin leaves something out.
            confidence=capped(min(calibrated(v.agreed.margin), v.agreed.mechanism), bool(outside)),
            agreement=v.agreed.mechanism,
            reason=v.why,
            details=_details(v, list(outside)),
        )
    ]
    if v.attention is not None:
        agreed = v.agreed.attention
        sure = None
        if agreed is not None:
            # None of the calibration's labels was wrong, whatever its agreement; others' may be.
            doubtful = bool(unlike(context)) or better(v.mixing or {}, v.attention) is not None
            sure = capped(min(attention_calibrated(agreed), agreed), doubtful)
        axes.append(
            ATTENTION.labelled(
                v.attention, confidence=sure, agreement=agreed, reason=v.why_attention
            )
        )
    return MechanismLabel(
        axes=axes,
        reasons=reasons,
        evidence=numbers_behind(v),
        version=version(),
        seed=context.seed,
    )


def _details(v: Verdict, outside: list[str]) -> dict[str, JsonValue]:
    """What else was found on the counting axis."""
    e = v.evidence
    # Where an earlier block makes the count, it tells what tokens do; it is not clustered anew.
    kappa = e.earlier.kappa if e.earlier is not None and e.made_before else e.kappa
    found: dict[str, JsonValue] = {
        "counters": count_counters(v.mechanism, v.evidence),
        "tokens": list(token_kinds(kappa)),
        "kappa": [None if np.isnan(value) else float(value) for value in kappa],
        "beyond": list(outside),
    }
    if not e.made_before:
        found["clusters"] = [int(n) for n in np.quantile(v.agreed.clusters, [0.05, 0.95])]
    if form := variant(v.mechanism, v.evidence):
        found["variant"] = form
    return found


def judge(context: CountContext) -> Verdict:
    """Measure, decide, and decide again on resampled data.

    Raises:
        MechprobeError: the task leaves a single count to compare.
    """
    if context.task.L < 3:
        raise MechprobeError(f"L={context.task.L}: a mechanism label needs L of at least 3")
    if why := needs_counts(context.model, context.task):
        raise MechprobeError(f"no label: {why}")
    measured = measure(context)
    evidence = measured.evidence
    mechanism, why = counting_mechanism(evidence, f"{sequences(context.task)} sequences")
    if mechanism == "unsolved":
        why += elsewhere(context)
    scores = None if why_not_split(context.model, context.task) else sources(context)
    attention = attention_evidence(context, scores)
    kind, why_attention = (
        attention.kind() if attention is not None else (None, lacks(context.model, "weights") or "")
    )
    agreed = agreement(measured, attention, (mechanism, kind), context.seed)
    return Verdict(
        mechanism,
        why,
        kind,
        why_attention,
        measured,
        agreed,
        None if attention is None else context.variation,
        scores,
        attention.effects.sizes() if isinstance(attention, Answers) else None,
        None if attention is None else interchanged_weights.numbers(context),
        storage.numbers(context) if context.model.cfg.n_layers > 1 else None,
    )


def measure(context: CountContext) -> Measured:
    """What the counting axis is decided from."""
    transport, removal, values = context.transport, remove(context), by_position(context)
    right = context.task.correct(context.logits, context.tokens).numpy()
    sharing, exchanged = transport.sharing, interchanged(context)
    evidence = CountEvidence(
        accuracy=float(right.mean()),
        own=np.diagonal(transport.matrix()).copy(),
        kappa=sharing.kappa(),
        lost=removal.lost,
        counters=transport.counters,
        separable=context.reference.separable,
        among=sharing.among(),
        listens=sharing.listens(PRIVATE),
        used=use(exchanged.found),
        values=None if values is None else values.costs(),
        earlier=earlier(context),
        exact=exchanged.exact,
    )
    removed = (removal.before, removal.after)
    return Measured(evidence, transport, right, removed, removal.chance, values, exchanged)
