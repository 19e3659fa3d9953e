"""Interchange interventions behind a label: are the answers exactly those of its causal model?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mechprobe.probes.counting.causal_accuracy import (
    MODELS,
    WHOLE,
    accuracies,
    best_model,
    named_with_controls,
    with_controls,
)
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.interchange import Interchange, interchanges
from mechprobe.probes.counting.label.evidence import HALF, Exact
from mechprobe.probes.counting.placebos import controls

LEAST_TOLD = 0.01  # leads below it are none


@dataclass(frozen=True)
class Interchanged:
    """Interchanges of one network, and what they say of causal models.

    Args:
        found: all of them.
        numbers: those that `told` names, each with the three controls under `name_control`.
    """

    found: Interchange
    numbers: Mapping[str, float]

    @property
    def exact(self) -> Exact:
        """How exactly answers follow a count that is written."""
        followed = self.found.mean.followed()
        own = np.diagonal(followed)
        counters = self.found.counters
        same = (counters[:, None] == counters) & ~np.eye(len(counters), dtype=bool)
        told = [
            np.median(row[others]) / own[t]
            for t, (row, others) in enumerate(zip(followed, same, strict=True))
            if others.any() and own[t] > 0
        ]
        passed = self.found.mean.passed()[same]
        return Exact(
            own=float(own.mean()),
            foreign=float(np.median(told)) if told else None,
            beyond=float(passed.mean()) if same.any() else None,
        )

    def sentence(self) -> str:
        """Accuracy of the best causal model, the drop to the next, and the largest control."""
        best, above = best_model(self.numbers.__getitem__)
        text = (
            f"after interchanges of counts {self.numbers[best]:.0%} of the answers are those of"
            f" the causal model with {MODELS[best]}"
        )
        lead = self.numbers["lead"]
        ahead = f", {lead:.0%} more than of the next" if lead >= LEAST_TOLD else ""
        short = "" if self.numbers[best] >= HALF else "; none of them describes the network"
        return f"{text}{ahead} (controls: at most {above:.0%}){short}"


def interchanged(context: CountContext) -> Interchanged:
    """Interchange counts between tokens of one network, and of its controls."""
    found = interchanges(context)
    return Interchanged(found, with_controls(found, controls(context, found), accuracies))


def told() -> dict[str, str]:
    """What is told, each number followed by its controls: by name, in words."""
    return named_with_controls({**MODELS, "lead": WHOLE["lead"]})
