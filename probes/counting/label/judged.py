"""What a counting label rests on, and the numbers behind it by name."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.counting import interchanged_weights, storage
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.bootstrap import Agreement, Measured
from mechprobe.probes.counting.label.evidence import PRIVATE, SHARED, CountEvidence
from mechprobe.probes.counting.label.interchanged import told
from mechprobe.probes.counting.score_terms import POSITIONAL, SEMANTIC
from mechprobe.probes.counting.sources import Sources
from mechprobe.probes.counting.variation import Variation
from mechprobe.probes.effects import EFFECTS, semantic_share
from mechprobe.probes.mixing_accuracy import Numbers
from mechprobe.probes.results import Metric


@dataclass(frozen=True)
class Verdict:
    """A label before its confidence is calibrated, with what it rests on."""

    mechanism: Mechanism
    why: str
    attention: AttentionKind | None
    why_attention: str
    measured: Measured
    agreed: Agreement
    variation: Variation | None
    split: Sources | None
    effects: tuple[float, float] | None
    mixing: Numbers | None
    storage: Mapping[str, float] | None

    @property
    def evidence(self) -> CountEvidence:
        """What the counting axis was decided from."""
        return self.measured.evidence


# What the numbers behind a label mean: least and greatest possible value, description.
EVIDENCE: dict[str, tuple[float | None, float | None, str]] = {
    "accuracy": (0, 1, "share of right answers"),
    "chance": (0, 1, "accuracy of the best constant answer"),
    "own_slope": (None, None, "slope of the answer on the token's own count component"),
    "kappa": (
        None,
        None,
        "slope on other tokens' counts over the own, as far as sent and received; mean of tokens",
    ),
    "received": (None, None, "slope on another token's count over the own, mean of tokens"),
    "sent": (None, None, "slope of others on a token's count over their own, mean of tokens"),
    "use": (
        0,
        1,
        "share of a token's right answers that need what it writes in common, median of tokens",
    ),
    "opposed": (0, 1, f"share of tokens with kappa below -{PRIVATE}"),
    "shared": (0, 1, f"share of tokens with kappa of at least {SHARED}"),
    "private": (0, 1, f"share of tokens with |kappa| of at most {PRIVATE}"),
    "lost": (None, None, "accuracy above chance lost when the shared count component is removed"),
    "values_by_position": (
        None,
        None,
        "accuracy above chance lost with values that only tell positions apart",
    ),
    "values_level": (None, None, "accuracy above chance lost with values that tell nothing"),
    "earlier_own": (None, None, "own slope on counts written by an earlier block"),
    "earlier_kappa": (None, None, "kappa of counts written by an earlier block"),
    "earlier_needed": (
        None,
        None,
        "accuracy above chance lost when the last block reads every token without its sequence",
    ),
    "clusters": (1, None, "clusters of tokens that read each other's counts, bootstrap mean"),
    "clusters_error": (0, None, "standard deviation of their number over bootstrap replicates"),
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
    "exact_own": (0, 1, "answers that are the count written in place of a token's own, mean"),
    "exact_foreign": (
        0,
        None,
        "the same with the count of another token of its counter, over exact_own; median",
    ),
    "exact_beyond": (0, 1, "answers beyond that count, seen from the token's own, mean"),
    **{
        f"interchange_{name}": (0, 1, f"answers after interchanges as the causal model: {text}")
        for name, text in told().items()
    },
    **{
        f"storage_{name}": (0, 1, f"after interchanges at every block {text}")
        for name, text in storage.told().items()
    },
    **{f"mixing_{name}": (0, 1, text) for name, text in interchanged_weights.told().items()},
}


def numbers_behind(v: Verdict) -> dict[str, Metric]:
    """Everything that the label rests on, by the names of `EVIDENCE`."""
    e = v.evidence
    shared, private = e.shares
    values: dict[str, float | None] = {
        "accuracy": e.accuracy,
        "chance": v.measured.chance,
        "own_slope": e.mean_own,
        "kappa": e.mean_kappa,
        "received": _mean(v.measured.transport.sharing.received),
        "sent": _mean(v.measured.transport.sharing.sent),
        "shared": shared,
        "private": private,
        "opposed": e.opposed,
        "use": e.use,
        "clusters": float(np.mean(v.agreed.clusters)),
        "clusters_error": float(np.std(v.agreed.clusters)),
        "lost": e.lost,
        "separable": e.separable,
    }
    values |= {f"interchange_{name}": x for name, x in v.measured.exchanged.numbers.items()}
    values |= {f"mixing_{name}": x for name, x in (v.mixing or {}).items()}
    values |= {f"storage_{name}": x for name, x in (v.storage or {}).items()}
    if e.exact is not None:
        values |= {f"exact_{name}": value for name, value in vars(e.exact).items()}
    if e.values is not None:
        values |= dict(zip(("values_by_position", "values_level"), e.values, strict=True))
    if e.earlier is not None:
        values |= {
            "earlier_own": float(e.earlier.own.mean()),
            "earlier_kappa": _mean(e.earlier.kappa),
            "earlier_needed": e.earlier.needed,
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


def _mean(values: Float[np.ndarray, "*axes"]) -> float | None:
    """Mean over what is known, by the pool where it is larger; None where nothing is."""
    best = values if values.ndim == 1 else np.fmax(values[:, 0], values[:, 1])
    known = best[~np.isnan(best)]
    return float(known.mean()) if len(known) else None
