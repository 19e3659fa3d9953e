"""The label benchmark on a small real population, and the fit of the confidence."""

import json
from pathlib import Path

import numpy as np
import pytest

from mechprobe.analyses.bench import calibration as calibrate_confidence
from mechprobe.analyses.bench import label_benchmark
from mechprobe.analyses.bench.populations import Member, blends, damaged, pure, untrained
from mechprobe.probes.counting.label.calibration import load


@pytest.fixture(scope="module")
def small() -> list[Member]:
    """One size of everything."""
    members = pure((8,), (6,), 1, 0) + blends((8, 16), (6,), 12, 0.35, 0.65, 100)
    return members + untrained((8,), (6,), 6, 200)


def test_small_benchmark(small: list[Member], tmp_path: Path) -> None:
    """What is demanded of the large one holds on the small one, and files are written."""
    table = label_benchmark.run(small)
    numbers = label_benchmark.summary(table)
    assert numbers["pure right"] == 1
    assert numbers["pure counters right"] == 1
    assert numbers["attention right"] == 1
    assert numbers["blends mixed"] >= 0.9
    assert numbers["untrained unsolved"] == 1
    assert numbers["flips under transformation"] <= 0.02
    assert numbers["flips under a new seed"] <= 0.02
    assert all(label_benchmark.verdicts(numbers).values())
    label_benchmark.save(tmp_path, table, numbers)
    assert json.loads((tmp_path / "summary.json").read_text())["pure right"] == 1
    assert {p.name for p in tmp_path.iterdir()} == {
        "labels.csv",
        "confusion.csv",
        "summary.json",
        "reliability.png",
        "confusion.png",
    }


def test_verdicts_can_fail(small: list[Member]) -> None:
    """A wrong label shows in the numbers and in the verdict."""
    table = label_benchmark.run(small[:2])
    table.loc[0, "mechanism"] = "mixed"
    numbers = label_benchmark.summary(table)
    assert numbers["pure right"] == 0.5
    assert not label_benchmark.verdicts(numbers)["pure right >= 99 %"]


def test_population_is_large_enough() -> None:
    """The full benchmark has at least 300 pure constructions at the demanded sizes."""
    members = label_benchmark.members(0)
    plain = [m for m in members if m.kind == "pure"]
    assert len(plain) >= 300
    assert {m.T for m in plain} == {8, 16, 32}
    assert {m.L for m in plain} == {6, 10, 15}
    assert len(set(members)) == len(members)


def test_damage_makes_some_models_unsolved() -> None:
    """Damaged members range from whole to ruined, so that accuracy decides for some."""
    truths = {m.truth(m.build()) for m in damaged(12, 0)}
    assert "unsolved" in truths
    assert len(truths) > 1


def test_calibration_fit_learns_the_margin() -> None:
    """Where large margins are right and small ones are not, the fit says so."""
    rng = np.random.default_rng(0)
    margins = rng.uniform(-0.1, 0.3, 400)
    outcomes = [
        calibrate_confidence.Outcome(
            margin=float(m),
            right=bool(rng.random() < 1 / (1 + np.exp(-20 * m))),
            agreement=float(agreed),
            attention_right=bool(rng.random() < agreed) if known else None,
        )
        for m, agreed, known in zip(
            margins, rng.uniform(0.5, 1, 400), [True] * 300 + [False] * 100, strict=True
        )
    ]
    fitted = calibrate_confidence.fit(outcomes, 400, 0)
    assert (fitted.models, fitted.attention.models) == (400, 300)
    assert fitted.attention.slope > 1
    assert 12 < fitted.slope < 30
    assert abs(fitted.intercept) < 1
    assert 0 < fitted.floor < fitted.ceiling < 1


def test_packaged_calibration_says_how_it_was_made() -> None:
    """The file in the package comes from the script, on hundreds of models."""
    kept = load()
    assert kept.models >= 500
    assert kept.made_by.startswith("mechprobe bench calibration")
