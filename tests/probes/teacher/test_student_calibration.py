"""Confidence of students' labels: no surer than replicates agree, less sure beyond the fit."""

import pytest
import torch

from mechprobe import HookedTransformer, SolvableConfig, label
from mechprobe.analyses.bench.student_calibration import KINDS, Outcome, calibrate, error, plans
from mechprobe.models.families.solvable import initial, planted
from mechprobe.probes.teacher.calibration import CAUTIOUS, bounded, calibrated, load


def student(**sizes: int) -> HookedTransformer:
    config = SolvableConfig.of(**sizes)
    generator = torch.Generator().manual_seed(0)
    weights = initial(config, generator)
    weights["Q"] = planted(weights["Q_star"], config.rank, generator, theta=0.7, noise=0.1)
    return HookedTransformer(config, weights)


def test_confidence_rises_with_agreement_and_never_above_it():
    sure = [calibrated(share) for share in (0.3, 0.6, 0.8, 1.0)]
    assert sure == sorted(sure)
    assert sure[0] <= 0.3
    assert 0.85 < sure[-1] < 1
    assert load().held_out == load().models == 160
    assert load().held_out_error <= 0.03


@pytest.mark.parametrize(
    ("sizes", "ways"),
    [({"d": 120}, []), ({"d": 60, "L": 3}, ["length", "width"]), ({"d": 120, "rank": 2}, ["rank"])],
)
def test_labels_say_where_they_are_beyond_the_calibration(sizes, ways):
    found = label(student(**sizes))
    assert found.axis("attention").details["beyond"] == ways
    assert sum(reason.startswith("beyond: ") for reason in found.reasons) == len(ways)
    assert found.attention == "semantic"
    assert (found.attention_confidence <= CAUTIOUS) == bool(ways)


def test_one_half_fits_and_the_other_tells_the_error():
    wanted = plans(16, 1)
    assert [plan.kind for plan in wanted[:4]] == list(KINDS)
    outcomes = [Outcome(1.0, i // 4 % 2 == 0 or i % 2 == 0, "mixed") for i in range(16)]
    found = calibrate(outcomes, 16, 1)
    assert (found.models, found.held_out, found.held_out_right) == (8, 8, 4)
    assert found.held_out_error == pytest.approx(bounded(found, 1.0) - 0.5, abs=1e-3)
    assert error([0.5, 0.5, 1.0], [True, False, True]) == 0
