"""How firm a label is: the rule applied again to resampled sequences and tokens."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.causal.remove_shared import Removal, lost
from probes.measures.attention_dependence import Variation
from probes.mechanism.rule import (
    CountEvidence,
    attention_kind,
    counting_mechanism,
    margin,
)
from probes.results import AttentionKind, Mechanism
from probes.transport import Transport, kappa

REPLICATES = 200


@dataclass(frozen=True)
class Agreement:
    """What replicates say of a label.

    Args:
        mechanism, attention: share of replicates with the same label, on either axis.
        margin: mean distance of a replicate's evidence from the nearest threshold that would
            change its label, negative for replicates with another counting label.
    """

    mechanism: float
    attention: float
    margin: float


def agreement(
    transport: Transport,
    removal: Removal,
    variation: Variation,
    fixed: tuple[float, bool],
    separable: float,
    labels: tuple[Mechanism, AttentionKind],
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> Agreement:
    """Resample sequences and tokens and count equal labels.

    Sequences: the repetitions of every (token, count) cell behind the slopes, and the sequences
    behind accuracy, removal and attention. Tokens: which tokens the shares are taken over.
    Count means and counters stay as they were found.

    Args:
        transport, removal, variation: what was measured.
        fixed: what is not resampled of the attention's evidence: the share of answers that stay
            under the mean pattern, and whether the mixing is a constant matrix.
        separable: share of cells that tell one token's count from another's.
        labels: the labels to compare with.
        rng: source of randomness.
        replicates: how often to resample.
    """
    before = removal.before.double().mean(1).numpy()
    after = removal.after.double().mean(1).numpy()
    own, pooled = _resampled_slopes(transport, rng, replicates)
    kappas = kappa(pooled, own, transport.alone)
    T = own.shape[1]
    same = np.zeros((replicates, 2), dtype=bool)
    margins = np.zeros(replicates)
    for b in range(replicates):
        rows = rng.integers(len(before), size=len(before))
        tokens = rng.integers(T, size=T)
        accuracy = float(before[rows].mean())
        evidence = CountEvidence(
            accuracy,
            own[b, tokens],
            kappas[b, tokens],
            lost(accuracy, float(after[rows].mean()), removal.chance),
            transport.counters[tokens],
            separable,
        )
        found = counting_mechanism(evidence)[0]
        same[b, 0] = found == labels[0]
        margins[b] = margin(found, evidence) * (1 if same[b, 0] else -1)
        same[b, 1] = attention_kind(*variation.split(rows), *fixed)[0] == labels[1]
    return Agreement(float(same[:, 0].mean()), float(same[:, 1].mean()), float(margins.mean()))


def _resampled_slopes(
    transport: Transport, rng: np.random.Generator, replicates: int
) -> tuple[Float[np.ndarray, "replicate token"], Float[np.ndarray, "replicate token 2"]]:
    """Own and pooled slopes with the repetitions of every cell drawn with replacement."""
    T, C, R, _ = transport.numerator.shape
    own = transport.numerator[np.arange(T), :, :, np.arange(T)]
    draws = rng.multinomial(R, [1 / R] * R, size=(replicates, T, C)).astype(np.float64)
    total = transport.weight.sum() * R
    return (
        np.einsum("btcr,tcr->bt", draws, own) / total,
        np.einsum("btcr,tcrp->btp", draws, transport.pooled) / total,
    )
