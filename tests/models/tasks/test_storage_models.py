"""Causal models of several blocks: what an interchange at a block changes."""

import pytest
import torch

from mechprobe.models import MechprobeError
from mechprobe.models.tasks.causal_models import inventory, relation
from mechprobe.models.tasks.storage_models import StorageModel, storage_models


def test_an_interchange_changes_what_the_block_keeps():
    model = StorageModel("made_common", (None, inventory(3), relation(3)))
    target, source = torch.tensor([0, 0]), torch.tensor([0, 2])
    answers = [
        model.answer(b, target, torch.tensor([1, 1]), source, torch.tensor([4, 4]))
        for b in range(3)
    ]
    assert [a.tolist() for a in answers] == [[1, 1], [4, 1], [4, 4]]
    assert model.variables == ("N_0^1", "N_1^1", "N_2^1", "N_0^2")


def test_all_models_of_two_blocks_say_different_things():
    found = storage_models(3, 2)
    assert [m.name for m in found] == [
        "first_relation", "later_relation", "first_inventory", "later_inventory", "made_common",
    ]  # fmt: skip
    said = {tuple(None if c is None else c.number for c in m.stored) for m in found}
    assert len(said) == len(found)


def test_a_model_that_keeps_no_count_is_refused():
    with pytest.raises(MechprobeError, match="no block holds the count"):
        StorageModel("nothing", (None, None))
