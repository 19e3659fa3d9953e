"""How far attention labels can be trusted: trained students of known start, and pure noise.

    mechprobe bench attention-labels [--seeds 20]

For each alpha and seed one data set of width 1000; students for each omega and start are
minimised together and labelled. A label is right if it names the start's branch. Pure noise are
untrained students of random size. Exit code 1 where a demand is missed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mechprobe.models import HookedTransformer, SolvableConfig
from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.base.parallel import run_all
from mechprobe.models.families.solvable import Dataset, Problems, initial, minimise, start
from mechprobe.probes import label

WIDTH = 1000
ALPHAS, OMEGAS, STARTS = (1.5, 2.0), (0.2, 0.3), ("semantic", "positional")
NOISE_MODELS = 200
NOISE_RIGHT = 0.95


@dataclass(frozen=True)
class Students:
    """Students to train and label on one data set; without an alpha, pure noise."""

    alpha: float | None
    seed: int


@dataclass(frozen=True)
class Outcome:
    """One label."""

    alpha: float | None
    omega: float
    start: str
    seed: int
    attention: str | None
    confidence: float
    m: float
    theta: float

    @property
    def right(self) -> bool:
        """Whether the label names the start; noise is uninformed."""
        return self.attention == self.start


def outcomes(job: Students) -> list[Outcome]:
    """Train and label the students of one data set."""
    generator = torch.Generator().manual_seed(job.seed)
    config = SolvableConfig.of(d=WIDTH)
    weights = initial(config, generator)
    if job.alpha is None:
        size = 10 ** (draw_uniform((), generator, torch.float64) - 0.7)
        noise = weights | {"Q": size * weights["Q"]}
        return [_labelled(config, noise, job, "uninformed")]
    data = Dataset.draw(config, weights, round(job.alpha * WIDTH), generator)
    wanted = [(omega, kind) for omega in OMEGAS for kind in STARTS]
    starts = [start(kind, config, weights["Q_star"], generator) for _, kind in wanted]
    problems = Problems.of(config, data, [omega for omega, _ in wanted])
    fit = minimise(problems, torch.stack(starts))
    found = []
    for (omega, kind), Q in zip(wanted, fit.Q, strict=True):
        own = SolvableConfig.of(d=WIDTH, omega=omega)
        found.append(_labelled(own, weights | {"Q": Q}, job, kind))
    return found


def _labelled(
    config: SolvableConfig, weights: dict[str, torch.Tensor], job: Students, kind: str
) -> Outcome:
    verdict = label(HookedTransformer(config, weights), seed=job.seed)
    e = verdict.evidence
    return Outcome(
        alpha=job.alpha,
        omega=config.omega,
        start=kind,
        seed=job.seed,
        attention=str(verdict.attention),
        confidence=verdict.attention_confidence or 0.0,
        m=e["m"].value or 0.0,
        theta=e["theta"].value or 0.0,
    )


def report(found: Sequence[Outcome]) -> bool:
    """Print a line a group and each wrong label; whether every demand is met."""
    groups: dict[tuple[str, float | None, float], list[Outcome]] = {}
    for one in found:
        groups.setdefault((one.start, one.alpha, one.omega), []).append(one)
    met = True
    for (kind, alpha, omega), members in sorted(groups.items(), key=str):
        right = sum(one.right for one in members)
        confidence = sum(one.confidence for one in members) / len(members)
        labels = dict(Counter(one.attention for one in members))
        setting = "pure noise" if alpha is None else f"alpha={alpha:g} omega={omega:g}"
        print(
            f"{kind:11s} {setting:22s} right {right}/{len(members)},"
            f" mean confidence {confidence:.3f}, labels {labels}"
        )
        met &= right >= (NOISE_RIGHT if alpha is None else 1.0) * len(members)
        for one in members:
            if not one.right and alpha is not None:
                print(f"    seed {one.seed}: {one.attention}, m={one.m:.3f} theta={one.theta:.3f}")
    return met


def run(seeds: int) -> int:
    """Train, label and print; 1 where a demand is missed.

    Args:
        seeds: data sets for each alpha.
    """
    jobs = [Students(alpha, seed) for alpha in ALPHAS for seed in range(seeds)]
    noise = [Students(None, seed) for seed in range(NOISE_MODELS)]
    found = [
        one
        for title, part in (("students", jobs), ("noise", noise))
        for _, some in run_all(outcomes, part, title)
        for one in some
    ]
    return 0 if report(found) else 1
