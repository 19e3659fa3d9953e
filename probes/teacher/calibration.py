"""From agreement of bootstrap replicates to a probability of being right, and where that ends.

A logistic regression on students whose order parameters were planted, with its error on others
that it never saw: `mechprobe bench student-calibration` makes calibration.json
beside this file.
"""

import json
from functools import cache
from importlib.resources import files

from mechprobe.probes.fit import Fit
from mechprobe.probes.teacher.context import TeacherContext

FILE = "calibration.json"
WIDTHS = (100, 1000)  # d of the students that it was fitted on; they had L = 2 and rank one
L, RANK = 2, 1
CAUTIOUS = 0.75  # greatest confidence of a label beyond the calibration


class Calibration(Fit):
    """The fit, its error on students that it never saw, and where both come from.

    Attributes:
        held_out, held_out_right: such students, and how many were labelled rightly.
        held_out_error: expected calibration error on them.
    """

    held_out: int
    held_out_right: int
    held_out_error: float
    seed: int
    made_by: str


def bounded(fit: Fit, agreement: float) -> float:
    """No surer than replicates agree, whatever the fit says."""
    return min(fit.probability(agreement), max(agreement, fit.floor))


def calibrated(agreement: float) -> float:
    """Probability that a student's label is right, in [0, 1]."""
    return bounded(load(), agreement)


def beyond(context: TeacherContext) -> dict[str, str]:
    """In which ways a student is unlike those of the calibration: name and sentence of each."""
    task, rank, found = context.task, context.config.rank, {}
    if task.L != L:
        found["length"] = f"L={task.L}; the confidence was calibrated on students of L={L}"
    if (rank, context.config.teacher_rank) != (RANK, RANK):
        found["rank"] = (
            f"{rank} columns, {context.config.teacher_rank} of the teacher; the confidence was"
            " calibrated on one"
        )
    if not WIDTHS[0] <= task.d <= WIDTHS[1]:
        found["width"] = f"d={task.d}; the confidence was calibrated on {WIDTHS[0]} to {WIDTHS[1]}"
    return found


@cache
def load() -> Calibration:
    """The fitted calibration that comes with the package."""
    text = files("mechprobe.probes.teacher").joinpath(FILE).read_text(encoding="utf-8")
    return Calibration.model_validate(json.loads(text))
