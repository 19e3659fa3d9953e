"""How firm a label is: the rule applied again to resampled sequences and tokens."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int

from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.counting.causal.remove_shared import Removal, lost
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.attention import AttentionEvidence
from mechprobe.probes.counting.label.rule import CountEvidence, counting_mechanism, margin
from mechprobe.probes.counting.transport import Transport, kappa

REPLICATES = 200


@dataclass(frozen=True)
class Agreement:
    """What replicates say of a label.

    Args:
        mechanism, attention: share of replicates with the same label, on either axis; None
            where there is no such axis.
        margin: mean distance of a replicate's evidence from the nearest threshold that would
            change its label, negative for replicates with another counting label.
    """

    mechanism: float
    attention: float | None
    margin: float


def agreement(
    transport: Transport,
    removal: Removal,
    attention: AttentionEvidence | None,
    found: CountEvidence,
    labels: tuple[Mechanism, AttentionKind | None],
    seed: int,
) -> Agreement:
    """Resample sequences and tokens and count equal labels.

    Sequences: the repetitions of every (token, count) cell behind the slopes, and the sequences
    behind accuracy, removal and attention. Tokens: which tokens the shares are taken over.
    Count means and counters stay as they were found.

    Args:
        transport, removal, attention: what was measured; no attention without mixing weights.
        found: the evidence, for what is not resampled of it.
        labels: the labels to compare with.
        seed: of the random draws.
    """
    T, C, R, _ = transport.numerator.shape
    drawn = draws(T, C, R, len(removal.before), seed)
    own, pooled = _resampled_slopes(transport, drawn.cells)
    kappas = kappa(pooled, own, transport.alone)
    before, after = (
        right.double().mean(1).numpy()[drawn.rows].mean(-1).tolist()
        for right in (removal.before, removal.after)
    )
    same = np.zeros(REPLICATES, dtype=bool)
    margins = np.zeros(REPLICATES)
    for b, tokens in enumerate(drawn.tokens):
        evidence = CountEvidence(
            before[b],
            own[b, tokens],
            kappas[b, tokens],
            lost(before[b], after[b], removal.chance),
            found.counters[tokens],
            found.separable,
        )
        mechanism = counting_mechanism(evidence)[0]
        same[b] = mechanism == labels[0]
        margins[b] = margin(mechanism, evidence) * (1 if same[b] else -1)
    again = None
    if attention is not None:
        again = float(np.mean([kind == labels[1] for kind in attention.kinds(drawn.rows)]))
    return Agreement(float(same.mean()), again, float(margins.mean()))


@dataclass(frozen=True)
class Draws:
    """What every replicate is made of; the same for all models of a size, not to be written into.

    Args:
        cells: how often each repetition of a cell was drawn, [token, replicate, count * rep].
        rows: sequences, with replacement.
        tokens: tokens, with replacement.
    """

    cells: Float[np.ndarray, "token replicate cell"]
    rows: Int[np.ndarray, "replicate sequence"]
    tokens: Int[np.ndarray, "replicate token"]


@lru_cache(2)
def draws(T: int, C: int, R: int, sequences: int, seed: int) -> Draws:
    """Draw repetitions of every (token, count) cell, sequences and tokens."""
    rng = np.random.default_rng([seed, 7])
    cells = rng.multinomial(R, [1 / R] * R, size=(REPLICATES, T, C)).astype(np.float64)
    pairs = [
        (rng.integers(sequences, size=sequences), rng.integers(T, size=T))
        for _ in range(REPLICATES)
    ]
    rows, tokens = (np.stack(part) for part in zip(*pairs, strict=True))
    by_token = cells.reshape(REPLICATES, T, C * R).transpose(1, 0, 2)
    return Draws(np.ascontiguousarray(by_token), rows, tokens)


def _resampled_slopes(
    transport: Transport, cells: Float[np.ndarray, "token replicate cell"]
) -> tuple[Float[np.ndarray, "replicate token"], Float[np.ndarray, "replicate token 2"]]:
    """Own and pooled slopes with the repetitions of every cell drawn with replacement."""
    T, _, R, _ = transport.numerator.shape
    own = transport.numerator[np.arange(T), :, :, np.arange(T)]
    each = np.concatenate([own[..., np.newaxis], transport.pooled], axis=-1)
    # torch's product, for it keeps to the threads that torch was given; whole numbers, so exact.
    product = torch.from_numpy(cells) @ torch.from_numpy(each.reshape(T, -1, 3))
    slopes = product.numpy().transpose(1, 0, 2) / (transport.weight.sum() * R)
    return slopes[..., 0], slopes[..., 1:]
