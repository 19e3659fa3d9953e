"""Withheld cells stay away from training, questions are the right ones, and chance is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mechprobe.analyses.bench.out_of_distribution import behaviour, training
from mechprobe.analyses.bench.out_of_distribution import contrast as contrasts
from mechprobe.analyses.bench.out_of_distribution.behaviour import (
    answers_at,
    answers_to_uniform,
    cells,
)
from mechprobe.analyses.bench.out_of_distribution.contrast import contrast
from mechprobe.analyses.bench.out_of_distribution.plan import Plan, Pupil
from mechprobe.analyses.bench.out_of_distribution.run import write
from mechprobe.analyses.bench.out_of_distribution.table import anchors, tables
from mechprobe.analyses.bench.out_of_distribution.training import draw_block, train_lacking
from mechprobe.analyses.bench.out_of_distribution.work import trained
from mechprobe.models import CountingConfig, MechprobeError, TrainingPlan, construct

TINY = Plan(
    architectures=("bos+sftm", "lin"), T=6, L=6, widths=(8,), neurons=(12,), seeds=1,
    training=TrainingPlan(steps=60),
)  # fmt: skip


def pupil(architecture: str = "dot") -> Pupil:
    return Pupil.of(CountingConfig.of(architecture, T=6, L=6, d=8, p=8), 0)


def counted(bodies: np.ndarray, T: int) -> np.ndarray:
    """How often each token stands in each sequence."""
    return (bodies[:, :, None] == np.arange(T)).sum(1)


def test_withheld_cells_never_occur_and_all_others_do() -> None:
    one = pupil()
    withheld = one.withheld.numpy()
    assert (withheld > 0).sum() == 3
    assert set(withheld[withheld > 0]) <= {2, 3, 4}
    counts = counted(draw_block(one, 0, 3000).bodies, 6)
    met = {(t, c) for t in range(6) for c in range(1, 6) if (counts[:, t] == c).any()}
    missing = {(t, int(c)) for t, c in enumerate(withheld) if c}
    assert met == {(t, c) for t in range(6) for c in range(1, 6)} - missing
    whole = counted(draw_block(one.whole(), 0, 3000).bodies, 6)
    assert all((whole[:, t] == c).any() for t, c in missing)


def test_parts_and_sequences_are_the_same_data() -> None:
    block = draw_block(pupil(), 0, 50)
    for tokens, counts, body in zip(*block.parts[:2], block.bodies, strict=True):
        row = {int(t): int(c) for t, c in zip(tokens, counts, strict=True) if c}
        assert row == {int(t): int((body == t).sum()) for t in set(body)}


@pytest.mark.parametrize("architecture", ["dot", "lin"])
def test_training_learns_and_repeats(architecture: str) -> None:
    one, plan = pupil(architecture), TrainingPlan(steps=120)
    first, again = train_lacking(one, plan), train_lacking(one, plan)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_too_few_sequences_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SPARE", 1)
    with pytest.raises(MechprobeError, match="withhold less"):
        draw_block(pupil(), 0, 100)


def test_a_construction_counts_at_every_length() -> None:
    """A shared counter without normalisation: right up to the greatest count of training."""
    model = construct("dot", T=6, L=5)
    for length in (3, 5, 7):
        found = answers_at(model, length, 0)
        assert (found.accuracy, found.off) == (1.0, 0.0)
        assert (found.beyond > 0) == (length == 7)
    assert answers_at(model, 7, 0).greatest is not None
    assert answers_to_uniform(model, 0).accuracy == 1.0
    assert torch.equal(cells(model, 0), torch.ones(6, 4, dtype=torch.float64))


def test_a_softmax_without_bos_reads_shares_and_not_counts() -> None:
    assert answers_at(construct("dot+sftm", T=6, L=5), 7, 0).accuracy < 0.9


def table(effect: float, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Two architectures with different levels; the group is not equally large in both."""
    draws = np.random.default_rng(seed)
    rows = [("a", True)] * 12 + [("a", False)] * 4 + [("b", True)] * 3 + [("b", False)] * 13
    frame = pd.DataFrame(rows, columns=["architecture", "in"])
    group = frame["in"].to_numpy(dtype=bool)
    level = 0.5 * (frame["architecture"] == "a")
    frame["y"] = level + effect * group + 0.05 * draws.normal(size=len(frame))
    return frame, group


def test_a_difference_is_told_from_that_of_the_strata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without effect, all together differ and strata do not; with one, both do."""
    monkeypatch.setattr(contrasts, "DRAWS", 300)
    source = torch.Generator().manual_seed(0)
    for effect in (0.0, 0.3):
        frame, group = table(effect)
        alone = contrast(frame, "y", group, ["architecture"], source)
        together = contrast(frame, "y", group, [], source)
        assert alone is not None
        assert together is not None
        assert together.chance < 0.01
        assert alone.low <= alone.effect <= alone.high
        assert alone.effect == pytest.approx(effect, abs=0.06)
        assert (alone.chance < 0.01) == (effect > 0)
        assert (alone.ones, alone.zeros, alone.strata) == (15, 17, 2)


def test_nothing_to_compare_is_none() -> None:
    frame, group = table(0.0)
    source = torch.Generator().manual_seed(0)
    assert contrast(frame, "y", np.ones_like(group), [], source) is None
    assert contrast(frame[:0], "y", group[:0], ["architecture"], source) is None


def test_the_whole_study_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are kept and taken up again; page and picture are there."""
    monkeypatch.setattr(behaviour, "SEQUENCES", 200)
    monkeypatch.setattr(behaviour, "REPEATS", 4)
    first, lost = tables(trained(TINY, tmp_path / "models"), tmp_path, 0)
    again, _ = tables(trained(TINY, tmp_path / "models"), tmp_path, 0)
    pd.testing.assert_frame_equal(first, again)
    assert list(first["lacks"]) == [True, False, True, False]
    assert len(lost) == 6
    first["seen"], first["label"] = 1.0, "mixed"
    write(TINY, first, anchors(TINY, 0), tmp_path, 0)
    text = (tmp_path / "out_of_distribution.md").read_text(encoding="utf-8")
    assert "no architecture has both kinds" in text
    assert "nan" not in text
    assert (tmp_path / "images" / "out_of_distribution.png").stat().st_size > 1000
    with pytest.raises(MechprobeError, match="another training"):
        list(trained(replace(TINY, training=TrainingPlan(steps=61)), tmp_path / "models"))
