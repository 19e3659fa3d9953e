"""From a bootstrap margin to a probability of being right.

A logistic regression (scikit-learn) on one number: the mean margin of the bootstrap replicates,
that is their evidence's distance from the nearest threshold, negative where a replicate has
another label. `python -m mechprobe.analyses.bench.calibration` fits it on constructions, blends and
damaged constructions whose mechanism is known, and kept in calibration.json beside this
file, with how it was made.
"""

import json
from functools import cache
from importlib.resources import files
from math import exp

import numpy as np
from pydantic import BaseModel

FILE = "calibration.json"


class Calibration(BaseModel):
    """Fitted coefficients and where they come from."""

    intercept: float
    slope: float
    floor: float
    ceiling: float
    models: int
    seed: int
    made_by: str


def calibrated(margin: float) -> float:
    """Probability that the counting label is right, in [0, 1]."""
    fitted = load()
    score = fitted.intercept + fitted.slope * margin
    return float(np.clip(1 / (1 + exp(-score)), fitted.floor, fitted.ceiling))


@cache
def load() -> Calibration:
    """The fitted calibration that comes with the package."""
    text = files("mechprobe.probes.counting.label").joinpath(FILE).read_text(encoding="utf-8")
    return Calibration.model_validate(json.loads(text))
