"""The population of planted models: apart by use, buildable, right."""

import torch

from mechprobe.analyses.bench.planted import planted
from mechprobe.models import CONSTRUCTIONS


def test_planted_models_are_apart_by_use_and_all_there() -> None:
    found = planted((4,), (4,), 2, 7)
    tuned, held = ({one.name for one in part} for part in (found.tuned, found.held_out))
    assert not tuned & held
    assert tuned | held == {n for n, c in CONSTRUCTIONS.items() if c.plant is not None}
    assert len(set(found.tuned + found.held_out)) == len(found.tuned) + len(found.held_out)


def test_transformed_ones_answer_rightly() -> None:
    found = planted((4,), (4,), 1, 7)
    some = [one for one in found.tuned + found.held_out if one.transformed]
    assert {one.name for one in some} >= {"dot-loud", "bos+sftm-parity"}
    for one in some:
        model = one.build()
        task = model.config.task()
        tokens = task.sample(100, torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert task.accuracy(model(tokens), tokens) == 1.0
