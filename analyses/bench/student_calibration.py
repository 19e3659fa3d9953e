"""Fit the confidence of labels of students, on students whose order parameters are planted.

    mechprobe bench student-calibration [--models N] [--seed S]

A quarter each of positional, semantic, mixed and uninformed students, with overlaps, noise and
width drawn at random, down to overlaps that chance gives as well. One half of them, by turns, fits
a logistic regression of being right on the share of replicates with the same label; the other,
which the fit never sees, is what its error is measured on. Writes probes/teacher/calibration.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mechprobe.analyses.bench.calibration import fitted_on
from mechprobe.analyses.common.console import tell
from mechprobe.models import HookedTransformer, SolvableConfig
from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.base.files import write_text
from mechprobe.models.base.parallel import run_all
from mechprobe.models.families.solvable import initial, planted
from mechprobe.probes import label
from mechprobe.probes.teacher import calibration

OUTPUT = Path(calibration.__file__).with_name(calibration.FILE)
KINDS = ("positional", "semantic", "mixed", "uninformed")
# Ranges of what is drawn. A field of positions is as large as one of tokens where m = theta sigma.
SIGMA = 0.5
THETA, NOISE, BALANCE = (0.02, 0.8), (0.05, 0.6), (0.8, 1.25)
BINS = 10


@dataclass(frozen=True)
class Plan:
    """One planted student.

    Args:
        kind: what it attends by.
        seed: of its size, overlaps and weights.
    """

    kind: str
    seed: int

    def build(self) -> HookedTransformer:
        """Make it."""
        generator = torch.Generator().manual_seed(self.seed)

        def between(low: float, high: float) -> float:
            share: float = draw_uniform((), generator, torch.float64).item()
            return low + (high - low) * share

        least, most = np.log(calibration.WIDTHS)
        d = round(float(np.exp(between(least, most))))
        theta, noise, balance = between(*THETA), between(*NOISE), between(*BALANCE)
        overlaps = {
            "positional": {"m": SIGMA * theta},
            "semantic": {"theta": theta},
            "mixed": {"theta": theta, "m": balance * SIGMA * theta},
            "uninformed": {},
        }[self.kind]
        config = SolvableConfig.of(d=d)
        weights = initial(config, generator)
        weights["Q"] = planted(weights["Q_star"], 1, generator, noise=noise, **overlaps)
        return HookedTransformer(config, weights)


@dataclass(frozen=True)
class Outcome:
    """One labelled student."""

    agreement: float
    right: bool
    label: str


def outcome(plan: Plan) -> Outcome:
    """Label one student and compare with its plan."""
    found = label(plan.build(), seed=plan.seed % 97)
    return Outcome(
        found.attention_agreement or 0.0, found.attention == plan.kind, f"{found.attention}"
    )


def plans(number: int, seed: int) -> list[Plan]:
    """A quarter of each kind, by turns."""
    return [Plan(KINDS[i % len(KINDS)], seed + i) for i in range(number)]


def error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error in bins of equal width."""
    sure, truth = np.array(confidence), np.array(right, dtype=float)
    where = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(float((sure - truth)[where == one].sum())) for one in np.unique(where)]
    return sum(gaps) / len(sure)


def calibrate(outcomes: Sequence[Outcome], number: int, seed: int) -> calibration.Calibration:
    """Fit on one half of each kind, measure on the other."""
    fitting = [o for i, o in enumerate(outcomes) if i // len(KINDS) % 2 == 0]
    others = [o for i, o in enumerate(outcomes) if i // len(KINDS) % 2]
    fit = fitted_on([o.agreement for o in fitting], [o.right for o in fitting])
    sure = [calibration.bounded(fit, o.agreement) for o in others]
    return calibration.Calibration(
        **fit.model_dump(),
        held_out=len(others),
        held_out_right=sum(o.right for o in others),
        held_out_error=round(error(sure, [o.right for o in others]), 4),
        seed=seed,
        made_by=(f"mechprobe bench student-calibration --models {number} --seed {seed}"),
    )


def run(models: int, seed: int) -> None:
    """Fit, write the calibration into the package, and print it.

    Args:
        models: how many students.
        seed: of the students.
    """
    wanted = plans(models, seed)
    found = dict(run_all(outcome, wanted, "labelling"))
    fitted = calibrate([found[plan] for plan in wanted], models, seed)
    write_text(OUTPUT, fitted.model_dump_json(indent=2) + "\n")
    tell(f"{len(wanted)} students; wrote {OUTPUT.name}:")
    tell(fitted.model_dump_json(indent=2))
