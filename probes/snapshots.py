"""A model at one step of its training: its label, and what its evidence leans to. Pure, no models.

A model below the accuracy bar is unsolved, whatever it does. What its evidence leans to is what
the rule would say of it without that bar.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mechprobe.models import MechprobeError
from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.rule import (
    MOST,
    CountEvidence,
    counting_mechanism,
    token_shares,
)
from mechprobe.probes.results import ModelResult

TRANSPORT = "count-transport"  # the probe whose arrays hold kappa token by token
ABOVE_CHANCE = 0.05  # least accuracy above chance for a share of it to mean something


@dataclass(frozen=True)
class Snapshot:
    """A model at one step of its training.

    Args:
        step: after which it was taken.
        mechanism, attention, counters, confidence: its label.
        leans: what its evidence leans to; None where it says nothing yet.
        accuracy: share of right answers.
        kappa: of every token, NaN where undefined.
        numbers: evidence by name, and metrics by "probe.metric".
    """

    step: int
    mechanism: Mechanism
    attention: AttentionKind | None
    counters: int | None
    confidence: float | None
    leans: Mechanism | None
    accuracy: float
    kappa: Float[np.ndarray, " token"]
    numbers: dict[str, float | None]


def snapshot(result: ModelResult, step: int) -> Snapshot:
    """What is followed along a run, out of a stored result.

    Args:
        result: of a model that counts, with the probe count-transport.
        step: after which the model was taken.

    Raises:
        MechprobeError: the model does not count, or the probe is missing.
    """
    label = result.label
    if label.mechanism is None or label.accuracy is None:
        raise MechprobeError(f"{result.name}: does not count; only models that do can be followed")
    found = [p.arrays["kappa"] for p in result.probes if p.probe == TRANSPORT]
    if not found:
        raise MechprobeError(f"{result.name}: the probe {TRANSPORT} has no result")
    # To the digits that are stored: a result says the same fresh and read again.
    kappa = np.array([float(f"{value:.7g}") for value in found[0]])
    numbers = {name: metric.value for name, metric in label.evidence.items()}
    if label.accuracy < (numbers["chance"] or 0.0) + ABOVE_CHANCE:
        numbers["lost"] = None  # next to nothing to lose: the share of it is noise
    for probe in result.probes:
        numbers |= {f"{probe.probe}.{name}": m.value for name, m in probe.metrics.items()}
    return Snapshot(
        step=step,
        mechanism=label.mechanism,
        attention=label.attention,
        counters=label.counters,
        confidence=label.confidence,
        leans=leaning(kappa, numbers),
        accuracy=label.accuracy,
        kappa=kappa,
        numbers=numbers,
    )


def leaning(
    kappa: Float[np.ndarray, " token"], numbers: dict[str, float | None]
) -> Mechanism | None:
    """What the rule would say of the evidence if there were no bar on accuracy.

    Args:
        kappa: of every token.
        numbers: holds "own_slope", "lost" and "separable".

    Returns:
        None where answers do not follow the count, or where removal has nothing to remove yet.
    """
    own, lost = numbers["own_slope"] or 0.0, numbers["lost"]
    evidence = CountEvidence(
        accuracy=1.0,
        own=np.full_like(kappa, own),
        kappa=kappa,
        lost=math.nan if lost is None else lost,
        counters=np.arange(len(kappa)),
        separable=numbers["separable"] or 0.0,
    )
    found, _ = counting_mechanism(evidence)
    untold = lost is None and token_shares(kappa)[1] >= MOST
    return None if found == "unsolved" or untold else found
