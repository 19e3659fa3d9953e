"""Our experiments: minima of the training loss from the semantic and the positional start."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    End,
    Minima,
    Minimum,
)
from mechprobe.models.families.solvable import (
    Dataset,
    Fit,
    Problems,
    SolvableConfig,
    Weights,
    initial,
    linear_baseline,
    minimise,
    overlaps,
    start,
)
from mechprobe.models.theory.parameters import Mixing

TESTED = 4000  # fresh sequences of a test error
TOLERANCE = 1e-7  # of the gradient
NOISE = 4.0  # random directions overlap by 1/sqrt(d); this many times that is no chance


def generator_of(*numbers: float) -> torch.Generator:
    """A source of randomness of its own for every tuple of numbers."""
    words = [round(number * 1_000_000) for number in numbers]
    seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed)


def ending(m: float, theta: float, q: float, d: int) -> End:
    """Which mechanism a student has, by the cosines of Q with ones and with the teacher.

    Args:
        m, theta, q: its overlaps; |Q*|^2 / d is taken as 1.
        d: width of the tokens; random directions have cosines of about 1/sqrt(d).

    Returns:
        The larger one's mechanism; "mixed" where the smaller is more than half of it and beyond
        chance as well, "neither" where none is beyond chance.
    """
    length, chance = math.sqrt(max(q, 1e-300)), NOISE / math.sqrt(d)
    positional, semantic = abs(m) / length, abs(theta) / length
    large, small = max(positional, semantic), min(positional, semantic)
    if large < chance:
        return "neither"
    if small > chance and small > large / 2:
        return "mixed"
    return "semantic" if semantic > positional else "positional"


@dataclass(frozen=True)
class MinimaJob:
    """Minima at one setting for some data sets, both starts on each.

    Args:
        mixing, A: name and entries of the positional matrix.
        omega, alpha, d: the setting; n = alpha d sequences.
        numbers: of the data sets; a data set is the same for every omega and A.
        seed: of the study.
    """

    mixing: str
    A: Mixing
    omega: float
    alpha: float
    d: int
    numbers: tuple[int, ...]
    seed: int

    result: ClassVar[type[Minima]] = Minima

    @property
    def weight(self) -> float:
        """Relative length of the work, in seconds of one core."""
        return len(self.numbers) * (0.03 + 0.35 * (self.alpha + 0.8) * (self.d / 1000) ** 2)

    def run(self) -> Minima:
        """Draw, minimise, test."""
        config = SolvableConfig.of(d=self.d, omega=self.omega, A=self.A)
        found = [minimum for number in self.numbers for minimum in self._pair(config, number)]
        return Minima(
            mixing=self.mixing, omega=self.omega, alpha=self.alpha, d=self.d, minima=found
        )

    def _pair(self, config: SolvableConfig, number: int) -> list[Minimum]:
        generator = generator_of(self.seed, number, self.d, self.alpha)
        weights = initial(config, generator)
        data = Dataset.draw(config, weights, max(1, round(self.alpha * self.d)), generator)
        teacher = weights["Q_star"]
        starts = torch.stack([start(kind, config, teacher, generator) for kind in BRANCHES])
        problems = Problems.of(config, data, [self.omega] * len(BRANCHES))
        fit = minimise(problems, starts, tol=TOLERANCE)
        errors, linear = _tested(config, weights, data, fit, generator)
        m, theta, q = (value.flatten(1)[:, 0].tolist() for value in overlaps(fit.Q, teacher))
        found = []
        for i, kind in enumerate(BRANCHES):
            sign = math.copysign(1.0, theta[i] if kind == "semantic" else m[i])
            found.append(
                Minimum(
                    seed=number,
                    start=kind,
                    end=ending(m[i], theta[i], q[i], self.d),
                    m=sign * m[i],
                    theta=sign * theta[i],
                    q=q[i],
                    loss=fit.loss[i].item(),
                    test_error=errors[i],
                    linear_error=linear,
                    converged=bool(fit.converged[i]),
                )
            )
        return found


def _tested(
    config: SolvableConfig, weights: Weights, data: Dataset, fit: Fit, generator: torch.Generator
) -> tuple[Sequence[float], float]:
    """Test errors of the students and of the linear baseline, on the same fresh sequences."""
    # Single precision is ten times faster to draw, and its rounding far below the noise here.
    single = {name: weight.float() for name, weight in weights.items()}
    fresh = Dataset.draw(config, single, TESTED, generator)
    problems = Problems.of(config, fresh, [config.omega] * len(fit.Q))
    linear = linear_baseline(data, config.omega, config.A)
    return (
        problems.errors(fit.Q).mean(1).tolist(),
        linear.error_on(fresh, config.omega, config.A),
    )
