"""A model at one step of its training: its label, and what its evidence leans to. Pure, no models.

A model that has not solved its task yet has no mechanism, whatever it does. What its evidence
leans to is what the task's rule would say of it all the same; which is for the task's reading to
say (`TaskReading.follow`).
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from pydantic import JsonValue

from mechprobe.probes.results import MechanismLabel, ModelResult


@dataclass(frozen=True)
class Snapshot:
    """A model at one step of its training.

    Args:
        step: after which it was taken.
        label: the verdict on it.
        solved: whether it passes the bar of its task.
        labelled: whether the verdict names a mechanism, not that there is none.
        leans: the kind on the first axis that its evidence leans to; None where it says nothing.
        performance: the number by which its task measures it.
        numbers: evidence by name, and metrics by "probe.metric".
        told: whether the evidence means something yet; before, curves are faint.
        items: numbers of every item of a kind, such as kappa of every token; NaN where undefined.
        why: why a number is missing, in two words, by the number's name.
        more: what else `mechprobe dynamics --json` says of it.
    """

    step: int
    label: MechanismLabel
    solved: bool
    labelled: bool
    leans: str | None
    performance: float
    numbers: dict[str, float | None]
    told: bool = True
    items: dict[str, Float[np.ndarray, " item"]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    more: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its kind on the first axis."""
        return self.label.axes[0].kind


def numbers_of(result: ModelResult) -> dict[str, float | None]:
    """Evidence of a result by name, and metrics of its probes by "probe.metric"."""
    numbers = {name: metric.value for name, metric in result.label.evidence.items()}
    for probe in result.probes:
        numbers |= {f"{probe.probe}.{name}": m.value for name, m in probe.metrics.items()}
    return numbers
