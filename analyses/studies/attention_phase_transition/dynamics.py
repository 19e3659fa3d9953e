"""Gradient descent from random starts: paths in the (m, theta) plane and where they end."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.analyses.studies.attention_phase_transition.experiments import generator_of
from mechprobe.analyses.studies.attention_phase_transition.results import Path, Paths
from mechprobe.models.families.solvable import (
    Dataset,
    Problems,
    SolvableConfig,
    descend,
    initial,
    minimise,
    overlaps,
    start,
)

RATE = 1.0
EVERY = 25  # steps between records
TOLERANCE = 1e-5  # what single precision allows
DIGITS = 5  # of a record; a picture shows no more


@dataclass(frozen=True)
class PathsJob:
    """Random starts of two or more sizes over one data set.

    Args:
        omega, alpha, d: the setting; A is the paper's.
        scale: standard deviation of the starts' entries.
        starts: how many.
        steps: of gradient descent, at rate 1 of the total loss; the published rate is 0.15.
        number: of the data set, the same for every scale.
        seed: of the study.
    """

    omega: float
    alpha: float
    d: int
    scale: float
    starts: int
    steps: int
    number: int
    seed: int

    result: ClassVar[type[Paths]] = Paths

    @property
    def weight(self) -> float:
        """Relative length of the work, in seconds of one core."""
        share = self.starts * self.steps / 12_000
        return 0.2 + 1.2 * (self.alpha + 0.3) * share * (self.d / 500) ** 2

    def run(self) -> Paths:
        """Descend, then go on with L-BFGS to the minimum that lies ahead."""
        config = SolvableConfig.of(d=self.d, omega=self.omega)
        generator = generator_of(self.seed, self.number, self.d, self.alpha, 1)
        weights = initial(config, generator, torch.float32)
        data = Dataset.draw(config, weights, max(1, round(self.alpha * self.d)), generator)
        teacher = weights["Q_star"]
        begun = [start("random", config, teacher, generator) for _ in range(self.starts)]
        problems = Problems.of(config, data, [self.omega] * self.starts)
        path = descend(
            problems,
            self.scale * torch.stack(begun),
            teacher,
            lr=RATE,
            steps=self.steps,
            every=EVERY,
        )
        # A student that left for infinity has no end; its record stops where it was last seen.
        last = torch.where(path.diverged.view(-1, 1, 1), torch.zeros_like(path.Q), path.Q)
        fit = minimise(problems, last, tol=TOLERANCE)
        final = overlaps(fit.Q, teacher)
        return Paths(
            omega=self.omega,
            alpha=self.alpha,
            d=self.d,
            scale=self.scale,
            steps=path.steps.tolist(),
            paths=[
                Path(
                    m=_seen(path.m[i, :, 0]),
                    theta=_seen(path.theta[i, :, 0, 0]),
                    final_m=final.m[i, 0].item(),
                    final_theta=final.theta[i, 0, 0].item(),
                    final_loss=fit.loss[i].item(),
                    converged=bool(fit.converged[i] & ~path.diverged[i]),
                )
                for i in range(self.starts)
            ],
        )


def _seen(values: Float[Tensor, " records"]) -> list[float]:
    return [round(value, DIGITS) for value in values[values.isfinite()].tolist()]
