"""Causal models of counting: who shares a counter, and what an interchange does."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.tasks.causal_models import CausalModel, grouped, inventory, relation


def every_pair(T: int, C: int) -> tuple[torch.Tensor, ...]:
    """All (target, count, source, count of the source)."""
    return torch.cartesian_prod(*(torch.arange(n) for n in (T, C, T, C))).T.unbind()


def test_a_relation_hands_on_every_count_and_an_inventory_only_its_own():
    target, count, source, other = every_pair(3, 4)
    assert torch.equal(relation(3).answer(target, count, source, other), other)
    kept = torch.where(target == source, other, count)
    assert torch.equal(inventory(3).answer(target, count, source, other), kept)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_a_grouped_model_hands_counts_on_within_its_groups_only(numbers):
    model = grouped(numbers)
    for target, count, source, other in zip(*every_pair(len(numbers), 2), strict=True):
        wanted = other if numbers[target] == numbers[source] else count
        assert model.answer(target, count, source, other) == wanted
    assert model.number == len(set(numbers)) == len(model.variables)


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ([0], "relation-based"),
        ([5, 5, 5], "relation-based"),
        ([2, 0, 1], "inventory-based"),
        ([0, 1, 1, 0], "several counters"),
        ([0, 1, 1, 1], "mixed"),
    ],
)
def test_a_grouping_is_named_by_who_shares(numbers, name):
    assert grouped(numbers).name == name


def test_only_who_shares_makes_two_models_the_same():
    assert grouped([7, 7, 1]).same_as(CausalModel("mine", torch.tensor([0, 0, 1])))
    assert not grouped([7, 7, 1]).same_as(grouped([7, 1, 1]))
    assert grouped([4, 4]).same_as(relation(2))
    assert grouped([4, 2]).same_as(inventory(2))
    assert grouped(np.array([4, 2])).same_as(grouped(torch.tensor([0, 9])))


def test_before_any_interchange_all_models_answer_alike():
    """A variable that is given the value it has changes nothing."""
    token, count = torch.cartesian_prod(torch.arange(4), torch.arange(5)).T
    for model in (relation(4), inventory(4), grouped([0, 0, 1, 2])):
        assert torch.equal(model.answer(token, count, token, count), count)


def test_counters_without_a_gap_are_wanted():
    with pytest.raises(MechprobeError, match=r"numbered \[0, 2\]; number them 0 to 1"):
        CausalModel("mine", torch.tensor([0, 2]))
    with pytest.raises(MechprobeError, match="it has no tokens"):
        grouped([])
