"""Strict interchange-intervention training: pairs, places, and one tiny model."""

import math

import pytest
import torch

from mechprobe.models import CountingConfig, MechprobeError, TrainingPlan, construct
from mechprobe.models.families.counting.training.siit import train_strictly, verify
from mechprobe.models.families.counting.training.siit.interchange import Places
from mechprobe.models.families.counting.training.siit.pairs import draw_pairs
from mechprobe.models.tasks.causal_models import grouped, inventory, relation


def test_pairs_count_and_share_tokens() -> None:
    config = CountingConfig.of("bos", T=16, L=6, d=4, p=2)
    pairs = draw_pairs(config, seed=3, block=1, n=200)
    assert pairs.base.shape == pairs.source.shape == (200, 6)
    row, at = 17, 2
    source, token = pairs.source[row].tolist(), pairs.base[row, at].item()
    partner = source[int(pairs.partner[row, at])]
    assert pairs.token[row, at] == partner
    assert pairs.partner_count[row, at] == source.count(partner)
    assert pairs.own_in_source[row, at] == source.count(token)
    assert pairs.count[row, at] == pairs.base[row].tolist().count(token)
    # Two sequences of about three of 16 tokens would hold a base token in one case out of five.
    assert (pairs.own_in_source > 0).double().mean() > 0.5
    again = draw_pairs(config, seed=3, block=1, n=200)
    assert torch.equal(pairs.source, again.source)
    assert not torch.equal(pairs.source, draw_pairs(config, 3, 2, 200).source)


def test_shared_counters_get_the_first_coordinates() -> None:
    places = Places.of([grouped([5, 1, 5, 2, 1]), inventory(5)], d=4)
    assert places.column.tolist() == [[1, 0, 1, -1, 0], [-1] * 5]
    assert places.store.tolist() == [[False, False, True, True], [True] * 4]


@pytest.mark.parametrize("name", ["dot-inventory", "bos-inventory", "bos+sftm-inventory"])
def test_a_look_up_built_by_hand_holds_as_inventory_and_not_as_relation(name: str) -> None:
    model = construct(name, T=6, L=5)
    found = verify(model.config, model.weights(), inventory(6), seed=1, pairs=300)
    assert {case for case, one in found.items() if one.pairs} == {
        "behaviour", "store followed", "store of others ignored"
    }  # fmt: skip
    assert all(one.accuracy == 1 for one in found.values() if one.pairs)
    rival = verify(model.config, model.weights(), relation(6), seed=1, pairs=300)
    assert rival["everything followed"].accuracy < 0.3
    assert not rival["everything followed"].holds


@pytest.mark.parametrize("name", ["dot", "bos", "bos+sftm"])
def test_a_counter_built_by_hand_holds_as_relation_and_not_as_inventory(name: str) -> None:
    model = construct(name, T=6, L=5)
    found = verify(model.config, model.weights(), relation(6), seed=1, pairs=300)
    assert found["everything followed"].accuracy == 1
    rival = verify(model.config, model.weights(), inventory(6), seed=1, pairs=300)
    assert rival["store of others ignored"].accuracy < 0.3


def test_a_tiny_model_becomes_its_causal_model() -> None:
    config = CountingConfig.of("bos", T=3, L=4, d=5, p=8)
    start, plan = (
        TrainingPlan(steps=1, batch=16, lr=1e-9),
        TrainingPlan(steps=120, batch=16, lr=3e-2),
    )
    before, after = (
        verify(config, train_strictly(config, [relation(3)], [0], one)[0], relation(3), 99, 300)
        for one in (start, plan)
    )
    cases = {"behaviour", "counter followed", "store ignored", "everything followed"}
    assert {case for case, one in after.items() if one.pairs} == cases
    assert math.isnan(after["store followed"].accuracy)
    for case in cases:
        assert after[case].accuracy > 0.8 > before[case].accuracy, case


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    config = CountingConfig.of("dot", T=6, L=4, d=2, p=3)
    plan = TrainingPlan(steps=1)
    with pytest.raises(MechprobeError, match=r"4 tokens, the configuration T=6"):
        train_strictly(config, [relation(4)], [0], plan)
    with pytest.raises(MechprobeError, match=r"3 shared counters do not fit into d=2"):
        train_strictly(config, [grouped([0, 0, 1, 1, 2, 2])], [0], plan)
