"""Whether a model answers as well as the files beside it say."""

import math
from pathlib import Path

from mechprobe.models.base.errors import MechprobeError, plain
from mechprobe.models.base.files import printable
from mechprobe.models.checkpoints import claimed_accuracy
from mechprobe.probes import MechanismLabel
from mechprobe.probes.context import N_SEQUENCES

# Far below: by more than five standard errors of what was measured, and two points for another
# test set. Positions of a sequence may fail together, so sequences count, not positions.
ERRORS, POINTS = 5.0, 0.02
USUAL = "are weights, configuration and task those it was trained with?"


def doubt(path: Path, label: MechanismLabel) -> str | None:
    """One line where the measured accuracy is far below the one that the files claim, or, where
    they claim none and the format knows how that can come, no better than a constant answer.

    Args:
        path: of the checkpoint.
        label: as measured.

    Returns:
        None where all is well, and for tasks without an accuracy.
    """
    measured = label.accuracy
    if measured is None:  # nothing to compare with; the files are not looked at again
        return None
    chance = label.evidence["chance"].value if "chance" in label.evidence else None
    try:
        claimed, advice = claimed_accuracy(path)
    except MechprobeError:
        return None
    where = plain(printable(path))
    if claimed is not None and is_far(claimed, measured):
        return (
            f"{where}: its files say that {claimed:.1%} of its answers are right, measured are"
            f" {measured:.1%}: {advice or USUAL}"
        )
    if claimed is None and advice and chance is not None and measured <= chance:
        return (
            f"{where}: {measured:.1%} of its answers are right, of one constant answer"
            f" {chance:.1%}: {advice}"
        )
    return None


def is_far(claimed: float, measured: float) -> bool:
    """Whether a measured share of right answers is far below a claimed one, both in [0, 1]."""
    error = math.sqrt(measured * (1 - measured) / N_SEQUENCES)
    return claimed - measured > POINTS + ERRORS * error
