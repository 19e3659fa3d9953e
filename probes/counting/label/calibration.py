"""From what the bootstrap says to a probability of being right.

For each axis a logistic regression (scikit-learn) on one number. Counting: the mean margin of the
bootstrap replicates, that is their evidence's distance from the nearest threshold, negative where
a replicate has another label. Attention: the share of replicates with the same label.
`mechprobe bench calibration` fits both on models whose mechanism is known:
constructions, blends, damaged constructions, and models trained towards a causal model. They are
kept in calibration.json beside this file, with how it was made.
"""

import json
from functools import cache
from importlib.resources import files

from mechprobe.probes.fit import Fit as Fit

FILE = "calibration.json"


class Calibration(Fit):
    """The fit of the counting axis, that of the attention axis, and where they come from."""

    attention: Fit
    seed: int
    made_by: str


def calibrated(margin: float) -> float:
    """Probability that the counting label is right, in [0, 1]."""
    return load().probability(margin)


def attention_calibrated(agreement: float) -> float:
    """Probability that the attention label is right, in [0, 1]."""
    return load().attention.probability(agreement)


@cache
def load() -> Calibration:
    """The fitted calibration that comes with the package."""
    text = files("mechprobe.probes.counting.label").joinpath(FILE).read_text(encoding="utf-8")
    return Calibration.model_validate(json.loads(text))
