"""The probe of interchanges: what it reports of known models, and its controls beside it."""

import numpy as np
import pytest

from mechprobe.models import construct
from mechprobe.probes import find_probe
from tests.probes.counting.listeners import listening

interchange_counts = find_probe("interchange-counts")
T, L = 8, 6


@pytest.mark.parametrize(
    ("name", "best", "rival", "lead"),
    [
        ("bos+sftm", "relation", "inventory", 0.5),
        ("dot+sftm", "inventory", "relation", 0.5),
        ("dot-relation-groups", "grouped", "inventory", 0.2),
    ],
)
def test_the_right_causal_model_wins_and_controls_do_not(name, best, rival, lead):
    result = interchange_counts(construct(name, T=T, L=L))
    for suffix in ("", "_single"):
        assert result.value(best + suffix) > 0.99
        assert result.value(best + suffix) > result.value(rival + suffix) + 0.15
        for control in ("untrained", "shuffled", "random"):
            assert result.value(f"{best}{suffix}_{control}") < 0.65
    assert result.value("lead") == pytest.approx(lead, abs=0.03)


def test_every_number_has_its_controls():
    controls = ("untrained", "shuffled", "random")
    numbers = {n for n in interchange_counts.specs if not n.endswith(controls)}
    assert len(numbers) == 3 * 2 + 4 + 3
    wanted = numbers | {f"{number}_{control}" for number in numbers for control in controls}
    assert set(interchange_counts.specs) == wanted


def test_listeners_are_torn_and_do_not_take_part():
    result = interchange_counts(listening(T, L, range(T // 2)))
    assert result.value("part") == 0.5
    used = np.asarray(result.arrays["used"])
    assert (used[: T // 2] > 0.99).all()
    assert (used[T // 2 :] < 0.01).all()
    assert f"{0.5:.0%} of the tokens receive, send and use" in result.words
