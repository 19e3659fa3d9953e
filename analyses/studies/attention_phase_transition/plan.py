"""What the study computes: the full one and the quick one, as lists of jobs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mechprobe.analyses.studies.attention_phase_transition.dynamics import PathsJob
from mechprobe.analyses.studies.attention_phase_transition.experiments import MinimaJob
from mechprobe.analyses.studies.attention_phase_transition.stopped import StoppedJob
from mechprobe.analyses.studies.attention_phase_transition.theory import TheoryJob, TransitionJob
from mechprobe.models.theory import PAPER_MIXING
from mechprobe.models.theory.parameters import Mixing

OMEGA = 0.3
PAPER, OTHER = "first", "second"
MIXINGS: dict[str, Mixing] = {PAPER: PAPER_MIXING, OTHER: ((0.3, 0.7), (0.8, 0.2))}
BLOCK = 8  # data sets of a piece: what a stop costs at most
# The grid of the published runs, without its first value: ten sequences teach nothing.
PUBLISHED_ALPHAS = tuple(np.linspace(0.01, 2.0, 25)[1:].tolist())


def _grid(low: float, high: float, number: int) -> tuple[float, ...]:
    return tuple(np.round(np.linspace(low, high, number), 6).tolist())


@dataclass(frozen=True)
class Plan:
    """Sizes of every part.

    Args:
        d, seeds, alphas: of the experiments of part (a).
        curve_alphas: further alphas of its theory.
        log2_points: of the theory's curves; plane_points of the plane's cells.
        plane_alphas, plane_omegas: the plane.
        line_omegas: where the transitions are searched on their own, beside omega = 0.3.
        line_points: 2^line_points points of that search; 0: none, they are read off the curve.
        scaling: (d, seeds) at scaling_alpha.
        other_omegas, other_alphas, other_curve, other_seeds: of the second matrix A.
        stopped_alphas, stopped_data, stopped_steps: of descent as in the published runs.
        quick: whether it is the small one, which its page has to say.
        paths_d, paths_alphas, paths_data, paths_starts, paths_steps, scales: of the dynamics.
    """

    d: int = 1000
    seeds: int = 24
    alphas: tuple[float, ...] = PUBLISHED_ALPHAS
    curve_alphas: tuple[float, ...] = _grid(0.05, 1.95, 39)
    log2_points: int = 16
    plane_points: int = 13
    plane_alphas: tuple[float, ...] = _grid(0.12, 3.0, 25)
    plane_omegas: tuple[float, ...] = _grid(0.025, 0.5, 20)
    line_omegas: tuple[float, ...] = (0.2, 0.25, 0.35, 0.4, 0.45)
    line_points: int = 16
    scaling: tuple[tuple[int, int], ...] = (
        (125, 256),
        (250, 128),
        (500, 96),
        (1000, 64),
        (2000, 24),
    )
    scaling_alpha: float = 2.0
    other_omegas: tuple[float, ...] = (0.15, 0.3)
    other_alphas: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    other_curve: tuple[float, ...] = _grid(0.1, 2.0, 20)
    other_seeds: int = 8
    paths_d: int = 500
    paths_alphas: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
    paths_data: int = 4
    paths_starts: int = 8
    paths_steps: int = 1500
    scales: tuple[float, ...] = (0.1, 1.0)
    stopped_alphas: tuple[float, ...] = (*PUBLISHED_ALPHAS[11:13], PUBLISHED_ALPHAS[23])
    stopped_data: int = 4
    stopped_steps: int = 5000
    quick: bool = False


FULL = Plan()
QUICK = Plan(
    d=250,
    seeds=6,
    alphas=(PUBLISHED_ALPHAS[3], PUBLISHED_ALPHAS[11], PUBLISHED_ALPHAS[17], PUBLISHED_ALPHAS[23]),
    curve_alphas=_grid(0.2, 2.0, 10),
    log2_points=12,
    plane_points=10,
    plane_alphas=_grid(0.3, 3.0, 8),
    plane_omegas=_grid(0.1, 0.5, 5),
    line_omegas=(),
    line_points=0,
    scaling=((64, 24), (125, 16), (250, 8)),
    other_omegas=(0.15,),
    other_alphas=(1.0, 2.0),
    other_curve=_grid(0.25, 2.0, 4),
    other_seeds=3,
    paths_d=125,
    paths_alphas=(1.0, 2.0),
    paths_data=2,
    paths_starts=4,
    paths_steps=600,
    stopped_alphas=(2.0,),
    stopped_data=1,
    stopped_steps=500,
    quick=True,
)


RATE = 0.15  # of the published gradient descent
Job = TheoryJob | TransitionJob | MinimaJob | PathsJob | StoppedJob


@dataclass(frozen=True)
class Jobs:
    """Every part's work, in the order in which the page shows it; here: the transitions at
    omega = 0.3, None where they are read off the curve."""

    curve: list[TheoryJob]
    others: list[TheoryJob]
    plane: list[TheoryJob]
    lines: list[TransitionJob]
    here: TransitionJob | None
    minima: list[MinimaJob]
    other_minima: list[MinimaJob]
    scaling: list[MinimaJob]
    scaling_theory: TheoryJob
    paths: list[PathsJob]
    stopped: list[StoppedJob]

    def all(self) -> list[Job]:
        """In one list."""
        searched = [*self.lines] if self.here is None else [*self.lines, self.here]
        return [
            *self.curve, *self.others, *self.plane, *searched, *self.minima,
            *self.other_minima, *self.scaling, self.scaling_theory, *self.paths, *self.stopped,
        ]  # fmt: skip


def jobs(plan: Plan, seed: int) -> Jobs:
    """The work of a plan.

    Args:
        plan: sizes.
        seed: of data, teachers, starts and quadrature.
    """

    def theory(alpha: float, omega: float = OMEGA, name: str = PAPER, log2: int = 0) -> TheoryJob:
        return TheoryJob(name, MIXINGS[name], omega, alpha, log2 or plan.log2_points, seed)

    def minima(
        alphas: Sequence[float], omega: float, name: str, d: int, number: int
    ) -> Iterator[MinimaJob]:
        for alpha in alphas:
            for block in _blocks(number):
                yield MinimaJob(name, MIXINGS[name], omega, alpha, d, block, seed)

    curve = sorted({*plan.alphas, *plan.curve_alphas, *plan.paths_alphas})
    others = sorted({*plan.other_alphas, *plan.other_curve})
    return Jobs(
        curve=[theory(alpha) for alpha in curve],
        others=[theory(a, omega, OTHER) for omega in plan.other_omegas for a in others],
        plane=[
            theory(alpha, omega, log2=plan.plane_points)
            for omega in plan.plane_omegas
            for alpha in plan.plane_alphas
        ],
        lines=[TransitionJob(omega, plan.line_points, seed) for omega in plan.line_omegas],
        here=TransitionJob(OMEGA, plan.line_points, seed) if plan.line_points else None,
        minima=list(minima(plan.alphas, OMEGA, PAPER, plan.d, plan.seeds)),
        other_minima=[
            job
            for omega in plan.other_omegas
            for job in minima(plan.other_alphas, omega, OTHER, plan.d, plan.other_seeds)
        ],
        scaling=[
            job
            for d, number in plan.scaling
            for job in minima((plan.scaling_alpha,), OMEGA, PAPER, d, number)
        ],
        scaling_theory=theory(plan.scaling_alpha),
        paths=[
            PathsJob(
                OMEGA, alpha, plan.paths_d, scale, plan.paths_starts, plan.paths_steps, i, seed
            )
            for scale in plan.scales
            for alpha in plan.paths_alphas
            for i in range(plan.paths_data)
        ],
        stopped=[
            StoppedJob(OMEGA, alpha, plan.d, plan.stopped_steps, RATE, i, seed)
            for alpha in plan.stopped_alphas
            for i in range(plan.stopped_data)
        ],
    )


def _blocks(number: int) -> Iterator[tuple[int, ...]]:
    for first in range(0, number, BLOCK):
        yield tuple(range(first, min(first + BLOCK, number)))
