"""How firm a label is: the rule applied again to resampled sequences and tokens."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.base.chunks import pieces
from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.counting.causal.remove_shared import lost
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.attention import AttentionEvidence
from mechprobe.probes.counting.label.evidence import PRIVATE, CountEvidence
from mechprobe.probes.counting.label.interchanged import Interchanged
from mechprobe.probes.counting.label.margin import margin
from mechprobe.probes.counting.label.positional import ByPosition
from mechprobe.probes.counting.label.rule import counting_mechanism
from mechprobe.probes.counting.sharing import Sharing
from mechprobe.probes.counting.transport import Transport, cluster

REPLICATES = 200
CLUSTERED = 50  # of them, in which tokens are clustered anew


@dataclass(frozen=True)
class Measured:
    """What the counting axis is decided from, and what stands behind it sequence by sequence.

    Args:
        evidence: to decide from.
        transport: slopes, cell by cell.
        right: right answers.
        removed: the same where the shared component was removed, before and after.
        chance: accuracy of the best constant answer.
        values: right answers with values that tell little; None in models without positions.
        exchanged: interchanges of counts, and their controls.
    """

    evidence: CountEvidence
    transport: Transport
    right: Bool[np.ndarray, "sequence scored"]
    removed: tuple[Bool[Tensor, "sequence looked"], Bool[Tensor, "sequence looked"]]
    chance: float
    values: ByPosition | None
    exchanged: Interchanged


@dataclass(frozen=True)
class Agreement:
    """What replicates say of a label.

    Args:
        mechanism, attention: share of replicates with the same label, on either axis; None
            where there is no such axis.
        margin: mean distance of a replicate's evidence from the nearest threshold that would
            change its label, negative for replicates with another counting label.
        clusters: number of clusters in some of the replicates.
    """

    mechanism: float
    attention: float | None
    margin: float
    clusters: tuple[int, ...]


def agreement(
    measured: Measured,
    attention: AttentionEvidence | None,
    labels: tuple[Mechanism, AttentionKind | None],
    seed: int,
) -> Agreement:
    """Resample sequences and tokens and count equal labels.

    Sequences: the repetitions of every (token, count) cell behind the slopes, and the sequences
    behind accuracy, removal, values and attention. Tokens: which tokens the shares are taken over.
    Count means and counters stay as they were found; how many counters there are is drawn apart.

    Args:
        measured: what was measured.
        attention: of its attention; None without mixing weights.
        labels: the labels to compare with.
        seed: of the random draws.
    """
    found, transport = measured.evidence, measured.transport
    T, C, R, _ = transport.numerator.shape
    drawn = draws(T, C, R, len(measured.right), seed)
    before, after = (right.double().mean(1).numpy() for right in measured.removed)
    same = np.zeros(REPLICATES, dtype=bool)
    margins = np.zeros(REPLICATES)
    several: list[int] = []
    for some in pieces(REPLICATES, 64 * T * T):
        X = resampled(transport, drawn.cells[:, some])
        several += [int(cluster(one).max()) + 1 for one in X[: max(0, CLUSTERED - len(several))]]
        sharing = Sharing.of(X, transport.counters)
        kappa, among, listens = sharing.kappa(), sharing.among(), sharing.listens(PRIVATE)
        own = np.diagonal(X, axis1=1, axis2=2)
        for i, b in enumerate(range(REPLICATES)[some]):
            tokens, rows = drawn.tokens[b], drawn.rows[b]
            evidence = replace(
                found,
                accuracy=float(measured.right[rows].mean()),
                own=own[i, tokens],
                kappa=kappa[i, tokens],
                lost=lost(float(before[rows].mean()), float(after[rows].mean()), measured.chance),
                counters=found.counters[tokens],
                among=among[i, tokens],
                listens=listens[i, tokens],
                used=None if found.used is None else found.used[tokens],
                values=None if measured.values is None else measured.values.costs(rows),
                earlier=None if found.earlier is None else found.earlier.some(tokens),
            )
            mechanism = counting_mechanism(evidence)[0]
            same[b] = mechanism == labels[0]
            margins[b] = margin(mechanism, evidence) * (1 if same[b] else -1)
    again = None
    if attention is not None:
        again = float(np.mean([kind == labels[1] for kind in attention.kinds(drawn.rows)]))
    return Agreement(float(same.mean()), again, float(margins.mean()), tuple(several))


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


def resampled(
    transport: Transport, cells: Float[np.ndarray, "token replicate cell"]
) -> Float[np.ndarray, "replicate target source"]:
    """Slopes with the repetitions of every cell drawn with replacement."""
    T, _, R, _ = transport.numerator.shape
    each = torch.from_numpy(transport.numerator.reshape(T, -1, T))
    # torch's product, for it keeps to the threads that torch was given; whole numbers, so exact.
    product = torch.from_numpy(cells) @ each
    slopes: np.ndarray = product.numpy().transpose(1, 0, 2) / (transport.weight.sum() * R)
    return slopes
