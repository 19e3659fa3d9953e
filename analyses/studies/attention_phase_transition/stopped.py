"""What stopping gradient descent where the published runs stop it changes."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from mechprobe.analyses.studies.attention_phase_transition.dynamics import TOLERANCE
from mechprobe.analyses.studies.attention_phase_transition.experiments import TESTED, generator_of
from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    Branch,
    Stopped,
    StoppedRun,
)
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


@dataclass(frozen=True)
class StoppedJob:
    """Gradient descent and L-BFGS from both starts on one data set; A is the paper's.

    Args:
        omega, alpha, d: the setting.
        steps, rate: of gradient descent on the total loss.
        number: of the data set.
        seed: of the study.
    """

    omega: float
    alpha: float
    d: int
    steps: int
    rate: float
    number: int
    seed: int

    result: ClassVar[type[Stopped]] = Stopped

    @property
    def weight(self) -> float:
        """Relative length of the work, in seconds of one core."""
        return 0.2 + 4 * (self.alpha + 0.3) * self.steps / 1000 * (self.d / 1000) ** 2

    def run(self) -> Stopped:
        """Descend, minimise, test both."""
        config = SolvableConfig.of(d=self.d, omega=self.omega)
        generator = generator_of(self.seed, self.number, self.d, self.alpha, 2)
        weights = initial(config, generator, torch.float32)
        data = Dataset.draw(config, weights, max(1, round(self.alpha * self.d)), generator)
        teacher = weights["Q_star"]
        begun = torch.stack([start(kind, config, teacher, generator) for kind in BRANCHES])
        problems = Problems.of(config, data, [self.omega] * len(BRANCHES))
        path = descend(problems, begun, teacher, lr=self.rate, steps=self.steps, every=self.steps)
        fit = minimise(problems, begun, tol=TOLERANCE)
        fresh = Dataset.draw(config, weights, TESTED, generator)
        tested = Problems.of(config, fresh, [self.omega] * len(BRANCHES))
        errors = [tested.errors(Q).mean(1).tolist() for Q in (path.Q, fit.Q)]
        own = [[abs(_own(Q[i], teacher, kind)) for i, kind in enumerate(BRANCHES)]
               for Q in (path.Q, fit.Q)]  # fmt: skip
        return Stopped(
            alpha=self.alpha,
            d=self.d,
            steps=self.steps,
            rate=self.rate,
            runs=[
                StoppedRun(
                    start=kind,
                    own=(own[0][i], own[1][i]),
                    loss=(path.loss[i, -1].item(), fit.loss[i].item()),
                    test_error=(errors[0][i], errors[1][i]),
                )
                for i, kind in enumerate(BRANCHES)
            ],
        )


def _own(Q: torch.Tensor, teacher: torch.Tensor, branch: Branch) -> float:
    found = overlaps(Q, teacher)
    return found.theta[0, 0].item() if branch == "semantic" else found.m[0].item()
