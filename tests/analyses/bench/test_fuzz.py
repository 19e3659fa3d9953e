"""A hundred cases of the fuzzer, and that it would find what it looks for."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch

import mechprobe
from mechprobe.analyses.bench.fuzz.cases import Case
from mechprobe.analyses.bench.fuzz.children import BYTES, Ran
from mechprobe.analyses.bench.fuzz.damage import damage
from mechprobe.analyses.bench.fuzz.judge import faults_of

ROOT = Path(mechprobe.__file__).parents[1]
RAISED = """Traceback (most recent call last):
  File "/a/mechprobe/models/base/files.py", line 7, in write
    raise KeyError(1)
KeyError: 1
"""


def ran(code: int = 0, err: str = "", growth: int = 0, stopped: bool = False) -> Ran:
    """What a call could have done."""
    return Ran(code, "", err, 0.1, growth, stopped)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (ran(1, RAISED), "traceback: mechprobe/models/base/files.py:7: KeyError: N"),
        (ran(1), "exit code 1: ''"),
        (ran(0, "a.py:3: UserWarning: x\n"), "warning: a.py:3: UserWarning: x"),
        (ran(130, stopped=True), "hang: no progress shown"),
        (ran(-9, "training: 3%|#  |", stopped=True), "hang: cannot be stopped"),
        (ran(0, growth=BYTES + 1), "memory: more than 2 GiB"),
        (ran(2), "refusal: no line on standard error"),
        (ran(2, "m: \x1b[2J\n"), "refusal: characters that cannot be printed"),
        (ran(2, "x" * 3000), "refusal: more than 2000 characters"),
    ],
)
def test_each_demand_is_judged(tmp_path: Path, found: Ran, fault: str) -> None:
    """What misses one is named."""
    assert fault in faults_of(Case("line", "", (), tmp_path), found, [])


def test_what_is_lost_in_a_refusal_is_found(tmp_path: Path) -> None:
    """A file that was there before and is not any more."""
    case = Case("run", "", (), tmp_path)
    assert faults_of(case, ran(2, "no\n"), ["run/run.json"]) == ["lost: run.json in a refusal"]


@pytest.mark.parametrize(
    "good",
    [
        ran(),
        ran(2, "a: bad\n"),
        ran(130, "x: 1%|", stopped=True),
        ran(130, "stage 2 of 6: scanning", stopped=True),
    ],
)
def test_good_calls_have_no_fault(tmp_path: Path, good: Ran) -> None:
    """Success, a line, a stop."""
    assert faults_of(Case("line", "", (), tmp_path), good, []) == []


def test_a_study_may_say_that_a_demand_is_missed(tmp_path: Path) -> None:
    """With exit code 1; nothing else may."""
    told = Case("line", "", ("study", "foreign-models"), tmp_path)
    assert faults_of(told, ran(1), []) == []


def test_the_same_number_is_the_same_damage(tmp_path: Path) -> None:
    """A case can be run again alone."""
    told = []
    for copy in ("a", "b"):
        folder = tmp_path / copy
        folder.mkdir()
        (folder / "config.json").write_text('{"T": 3, "L": [1, 2], "x": {"y": "z"}}')
        told.append([damage(folder, Random(seed)) for seed in range(20)])
    assert told[0] == told[1]
    assert len(set(told[0])) > 10


def test_what_was_damaged_before_is_damaged_on(tmp_path: Path) -> None:
    """Weights that hold a list, too, take every further damage."""
    for seed in range(60):
        torch.save({"W": torch.ones(2), "b": [1.0]}, tmp_path / "model.pt")
        assert damage(tmp_path, Random(seed))


def test_a_hundred_cases() -> None:
    """Nothing that `make fuzz` demands is missed; here but for the time a case takes."""
    words = ["-m", "mechprobe", "bench", "fuzz", "--cases", "100", "--untimed", "--verbose"]
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 cases" in done.stdout
