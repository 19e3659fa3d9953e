"""From one number to a probability of being right, as a logistic regression found it."""

from math import exp

import numpy as np
from pydantic import BaseModel


class Fit(BaseModel):
    """Coefficients of one axis.

    Attributes:
        intercept, slope: of the log odds of being right.
        floor, ceiling: no confidence lies beyond; as many models tell no more.
        models: behind the fit.
    """

    intercept: float
    slope: float
    floor: float
    ceiling: float
    models: int

    def probability(self, value: float) -> float:
        """Of being right, in [floor, ceiling]."""
        score = self.intercept + self.slope * value
        return float(np.clip(1 / (1 + exp(-score)), self.floor, self.ceiling))
