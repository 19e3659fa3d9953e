"""The main job, in its quick form and smaller still, in separate processes as users run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mechprobe.analyses.studies.demo import work as demo_module
from mechprobe.analyses.studies.demo.work import TrainJob, train_one, work
from mechprobe.models import ARCHITECTURES, TrainingPlan, load
from mechprobe.probes.runs import load_run
from mechprobe.reports import write_report


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan short enough for a test; everything else as in the quick demo."""
    monkeypatch.setattr(demo_module, "QUICK_PLAN", TrainingPlan(steps=100, batch=16))


@pytest.mark.usefixtures("tiny")
def test_demo_fills_a_run_and_goes_on(tmp_path: Path) -> None:
    """Every architecture is trained, constructions added, all labelled; a rerun changes nothing."""
    run = tmp_path / "run"
    results, problems = work(run, quick=True, seed=0, command="mechprobe demo")
    assert problems == []
    counting = [r for r in results if r.family == "counting"]
    trained = {r.architecture for r in counting if r.meta["origin"] == "trained"}
    assert trained == set(ARCHITECTURES)
    built = {r.name: r.label.mechanism for r in results if r.meta["origin"] == "construction"}
    assert built == {
        "built-bos_sftm": "relation-based",
        "built-lin": "inventory-based",
        "built-dot-lookup": "inventory-based",
        "built-bos-blend": "mixed",
    }
    students = {r.meta["start"]: r.label.attention for r in results if r.family == "solvable"}
    students.pop("random")  # may end in any minimum
    assert students == {kind: kind for kind in ("semantic", "positional")} | {
        "untrained": "uninformed"
    }
    info, stored = load_run(run)
    assert any("Theory for d to infinity" in note for note in info.notes)
    assert {r.name for r in stored} == {r.name for r in results}
    assert info.command == "mechprobe demo"
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*.json")}
    again, _ = work(run, quick=True, seed=0, command="mechprobe demo")
    changed = {p.name for p, at in before.items() if p.stat().st_mtime_ns != at}
    assert changed == {"run.json"}
    assert [r.model_dump_json() for r in again] == [r.model_dump_json() for r in results]
    # Every second model is enough of a report, most of whose time is matplotlib's.
    for result in results[0::2]:
        (run / "results" / f"{result.name}.json").unlink()
    size = write_report(run).stat().st_size
    assert size / len(results[1::2]) * 31 < 12_000_000


def test_a_stopped_training_goes_on(tmp_path: Path) -> None:
    """The result of a resumed job equals that of an undisturbed one."""
    plan = TrainingPlan(steps=1500, batch=8)
    whole = TrainJob("dot", 8, 4, 0, plan, tmp_path / "whole")
    train_one(whole)
    stopped = TrainJob("dot", 8, 4, 0, plan, tmp_path / "stopped")
    script = (
        "import os\n"
        "import mechprobe.analyses.studies.demo.work as d\n"
        "import mechprobe.models.families.counting.training.trainer as t\n"
        "from pathlib import Path\n"
        "from mechprobe.models import TrainingPlan\n"
        "keep = t.keep\n"
        "def keep_and_die(*a):\n    keep(*a)\n    os._exit(9)\n"
        "t.keep = keep_and_die\n"
        f"d.train_one(d.TrainJob('dot', 8, 4, 0, TrainingPlan(steps=1500, batch=8),"
        f" Path({str(tmp_path / 'stopped')!r})))\n"
    )
    code = subprocess.run([sys.executable, "-c", script], env=os.environ, check=False).returncode
    assert code == 9
    assert not stopped.checkpoint.exists()
    train_one(stopped)
    assert load(stopped.checkpoint).fingerprint() == load(whole.checkpoint).fingerprint()
    left = [p.name for p in (tmp_path / "stopped" / "models").iterdir()]
    assert left == [stopped.name]
