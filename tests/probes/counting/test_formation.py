"""What is read off a training run: onsets, order, switches, from made-up snapshots."""

import math

import numpy as np
import pytest

from mechprobe.models import MechprobeError, construct
from mechprobe.probes import study
from mechprobe.probes.counting.dynamics import leaning, snapshot
from mechprobe.probes.counting.kinds import COUNTING, Mechanism
from mechprobe.probes.formation import Change, Onset, Precedence, changes, formation, precedence
from mechprobe.probes.results import MechanismLabel
from mechprobe.probes.snapshots import Snapshot

R, INV, MIX = "relation-based", "inventory-based", "mixed"


def made(step: int, accuracy: float, leans: Mechanism | None) -> Snapshot:
    """A snapshot whose label follows from accuracy and leaning, as the rule has it."""
    mechanism: Mechanism = "unsolved" if accuracy < 0.9 or leans is None else leans
    label = MechanismLabel(
        axes=[COUNTING.labelled(mechanism, confidence=0.9)], reasons=[], evidence={}, seed=0
    )
    labelled = mechanism != "unsolved"
    return Snapshot(step, label, accuracy >= 0.9, labelled, leans, accuracy, {})


def test_the_mechanism_may_form_before_accuracy() -> None:
    run = [
        made(1, 0.1, None),
        made(10, 0.2, MIX),
        made(20, 0.4, R),
        made(50, 0.8, R),
        made(100, 0.95, R),
        made(200, 1.0, R),
    ]
    found = formation(run)
    assert found.final == found.leaning == R
    assert found.leans == found.first_leans == Onset(20, 10, 0.4)
    assert found.solved == found.first_solved == found.formed == Onset(100, 50, 0.95)
    assert found.for_good == Precedence("before", 5.0, 2.5, 10.0)
    assert found.at_first == found.for_good
    assert found.labels == []
    assert found.leanings == [Change(20, 10, MIX, R, None)]
    assert (found.begins, found.begins_as) == (Onset(10, 1, 0.2), MIX)
    assert found.solved_snapshots == 2


def test_for_good_means_in_every_later_snapshot() -> None:
    """Accuracy that falls below the bar again, evidence that turns and comes back."""
    run = [
        made(1, 0.1, R),
        made(4, 0.91, INV),
        made(8, 0.5, R),
        made(16, 0.92, R),
        made(32, 0.95, R),
    ]
    found = formation(run)
    assert (found.first_solved, found.solved) == (Onset(4, 1, 0.91), Onset(16, 8, 0.92))
    assert (found.first_leans, found.leans) == (Onset(1, None, 0.1), Onset(8, 4, 0.5))
    assert found.at_first == Precedence("before", 4.0, 1.0, None)
    assert found.for_good == Precedence("before", 2.0, 1.0, 4.0)
    assert found.labels == [Change(16, 4, INV, R, 0.9)]
    assert found.leanings == [Change(4, 1, R, INV, None), Change(8, 4, INV, R, None)]


def test_accuracy_may_come_first() -> None:
    run = [made(2, 0.5, INV), made(4, 0.95, MIX), made(16, 0.95, MIX), made(32, 0.99, INV)]
    found = formation(run)
    assert found.for_good == Precedence("after", 8.0, 4.0, 16.0)
    assert found.formed == Onset(32, 16, 0.99)


def test_a_run_that_never_solves_has_a_leaning_and_no_label() -> None:
    found = formation([made(1, 0.1, None), made(10, 0.4, R), made(100, 0.8, R)])
    assert found.final == "unsolved"
    assert found.formed is None
    assert found.solved is None
    assert found.for_good is None
    assert found.leans == Onset(10, 1, 0.4)


def test_a_run_that_leans_nowhere() -> None:
    found = formation([made(5, 0.1, None)])
    assert (found.leaning, found.leans, found.for_good, found.leanings) == (None, None, None, [])


def test_onsets_in_one_interval_have_no_order() -> None:
    onset = Onset(20, 10, 0.95)
    assert precedence(onset, onset) == Precedence("together", 1.0, 1.0, 2.0)
    assert precedence(onset, None) is None


def test_changes_compare_neighbours() -> None:
    kinds = [(1, R, 0.9), (2, R, 0.8), (3, MIX, 0.5), (4, MIX, 0.7), (5, INV, None)]
    assert changes(kinds) == [Change(3, 2, R, MIX, 0.7), Change(5, 4, MIX, INV, None)]
    assert changes([]) == []


def numbers(own: float, lost: float | None) -> dict[str, float | None]:
    """The evidence that a leaning is read from, beside kappa."""
    return {"own_slope": own, "lost": lost, "separable": 1.0}


@pytest.mark.parametrize(
    ("kappa", "own", "lost", "leans"),
    [
        (1.0, 1.0, 0.9, R),
        (0.0, 1.0, 0.1, INV),
        (0.0, 1.0, 0.8, MIX),
        (0.5, 1.0, 0.5, MIX),
        (1.0, 0.3, 0.9, None),  # answers do not follow the count yet
        (0.0, 1.0, None, None),  # nothing to remove yet: an inventory cannot be told
        (1.0, 1.0, None, R),
        (math.nan, 0.04, None, None),
    ],
)
def test_leaning_is_the_rule_without_its_bar(
    kappa: float, own: float, lost: float | None, leans: Mechanism | None
) -> None:
    assert leaning(np.full(8, kappa), numbers(own, lost)) == leans


@pytest.mark.parametrize(("name", "mechanism"), [("dot", R), ("lin", INV)])
def test_a_solved_model_leans_to_its_label(name: str, mechanism: Mechanism) -> None:
    result = study(construct(name, T=8, L=6), name=name, probes=["count-transport"])
    assert [probe.probe for probe in result.probes] == ["count-transport"]
    one = snapshot(result, 7)
    assert (one.step, one.kind, one.leans) == (7, mechanism, mechanism)
    assert one.numbers["count-transport.counters"] == one.more["counters"]
    assert one.items["kappa"].shape == (8,)


def test_what_cannot_be_followed_is_said() -> None:
    result = study(construct("dot", T=8, L=6), name="m", probes=[])
    with pytest.raises(MechprobeError, match="count-transport has no result"):
        snapshot(result, 1)
    axes = [axis for axis in result.label.axes if axis.name != "counting"]
    label = result.label.model_copy(update={"axes": axes})
    with pytest.raises(MechprobeError, match="does not count"):
        snapshot(result.model_copy(update={"label": label}), 1)
