"""Stability of labels under what changes nothing."""

import pandas as pd
import pytest
import torch

from mechprobe.analyses.bench.stability import disturb
from mechprobe.analyses.bench.stability.job import Look, Shaken, Subject
from mechprobe.analyses.bench.stability.run import borders, flips, ordinary, report
from mechprobe.models import construct

A, B, C = Subject(name="a"), Subject(name="b"), Subject(architecture="dot", seed=1)


def looks(*confidences: float) -> dict[Subject, Look]:
    """First labels of the three."""
    return {
        one: Look(kind="mixed", confidence=sure)
        for one, sure in zip((A, B, C), confidences, strict=True)
    }


def test_borders_takes_the_least_sure_of_either_sort() -> None:
    assert borders(looks(0.9, 0.4, 0.99), 2) == [B, C]


def test_flips_are_counted_and_sure_ones_are_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    steady = Shaken(kinds={"seed": ["mixed"] * 50})
    moved = Shaken(kinds={"seed": ["mixed"] * 49 + ["unsolved"]})
    assert report(flips(looks(0.9, 0.9, 0.9), {A: steady, B: steady}))
    assert report(flips(looks(0.9, 0.5, 0.9), {A: steady, B: moved}))
    assert not report(flips(looks(0.9, 0.95, 0.9), {A: steady, B: moved}))
    assert "b: mixed (0.95), seed: unsolved" in capsys.readouterr().out
    often = Shaken(kinds={"seed": ["unsolved"] * 3})
    table: pd.DataFrame = flips(looks(0.5, 0.5, 0.5), {A: often})
    assert table.flipped.all()
    assert not report(table)


def test_ordinary_models_differ() -> None:
    assert len(set(ordinary())) == len(ordinary()) == 54
    assert len({one.architecture for one in ordinary()}) == 6


def test_training_on_moves_the_weights_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturb, "TUNED_STEPS", 4)
    model = construct("bos", T=4, L=4)
    after = disturb.retrained(model, 3)
    for name, before in model.weights().items():
        moved = (after.weights()[name] - before).abs().max()
        assert 0 < moved < 1e-3
    assert torch.equal(disturb.retrained(model, 3).weights()["W_E"], after.weights()["W_E"])
