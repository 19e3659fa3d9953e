"""`mechprobe train --snapshots` and `mechprobe dynamics`, on small real runs."""

import html
import json
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from click.testing import CliRunner, Result

from mechprobe import models
from mechprobe.analyses.commands.main import main
from mechprobe.analyses.dynamics.finding import find_runs
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.families.solvable import Dataset, Problems, descend, initial
from mechprobe.probes import learning_coefficient
from mechprobe.probes.reading import READINGS

SIZES = ("--T", "6", "--L", "5", "--d", "8", "--p", "16", "--steps", "900", "--lr", "0.02")


def run(*arguments: object) -> Result:
    """One call of the command."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short runs with six snapshots each."""
    folder = tmp_path_factory.mktemp("runs") / "pair"
    result = run("train", "bos+sftm", *SIZES, "--models", 2, "--snapshots", 6, "--out", folder)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def followed(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The folder that following them fills, and what it says."""
    out = tmp_path_factory.mktemp("followed") / "dynamics"
    result = run("dynamics", pair, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_snapshots_are_checkpoints_that_say_their_step(pair: Path) -> None:
    """Folders that sort, each with where it comes from; the last is the trained model."""
    assert sorted(p.name for p in pair.iterdir()) == ["seed-0", "seed-1"]
    steps = [1, 4, 15, 59, 231, 900]
    names = sorted(p.name for p in (pair / "seed-1").iterdir())
    assert names == [f"step-{step:06d}" for step in steps]
    assert models.read_meta(pair / "seed-1" / names[2]) == {
        "origin": "trained",
        "seed": 1,
        "step": 15,
        "steps": 900,
        "batch": 64,
        "lr": 0.02,
        "schedule": "cosine",
    }
    assert [p.name for p in pair.parent.iterdir()] == ["pair"]


def test_the_last_snapshot_is_what_training_without_snapshots_gives(
    pair: Path, tmp_path: Path
) -> None:
    """Looking on the way changes nothing."""
    result = run("train", "bos+sftm", *SIZES, "--out", tmp_path / "plain")
    assert result.exit_code == 0, result.output
    last = models.load(pair / "seed-0" / "step-000900")
    assert last.fingerprint() == models.load(tmp_path / "plain").fingerprint()


def test_snapshots_come_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up half-way leaves the state of training alone, and the same command goes
    on from it; a taken folder is refused."""
    from mechprobe.analyses.commands.train import training

    saved = []

    def full(*arguments: object) -> None:
        saved.append(arguments)
        if len(saved) == 3:
            raise OSError(28, "No space left on device")

    arguments = ("train", "bos+sftm", *SIZES, "--snapshots", 4, "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(training, "save", full)
        result = run(*arguments)
    assert result.exit_code == 2
    assert "No space left" in result.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == [training.STATE]
    assert run(*arguments).exit_code == 0
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["step-000001", "step-000010", "step-000093", "step-000900"]
    assert "is there already" in run(*arguments).stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    assert "is there already" in run(*arguments[:-1], tmp_path / "other").stderr


def test_the_object_holds_every_snapshot(followed: tuple[Path, dict]) -> None:
    """Labels, evidence and numbers, and what was read off them."""
    out, found = followed
    assert [one["name"] for one in found["runs"]] == ["seed-0", "seed-1"]
    assert found["page"] == str(out / "dynamics.html")
    for one in found["runs"]:
        assert [s["step"] for s in one["snapshots"]] == [1, 4, 15, 59, 231, 900]
        last = one["snapshots"][-1]
        assert last["mechanism"] == last["counting"] == one["formation"]["final"]
        assert last["attention"] in ("semantic", "positional", "mixed", "uninformed")
        assert {"counters", "confidence", "solved"} <= last.keys()
        assert "accuracy" in one["formation"]["first_leans"]
        assert last["leans"] == one["formation"]["leaning"]
        assert len(last["kappa"]) == 6
        assert last["accuracy"] > one["snapshots"][0]["accuracy"]
        wanted = {"kappa", "own_slope", "shared", "private", "lost", "token_share",
                  "mutual-coherence.coherence", "bos-anchoring.bos_mass",
                  "counting-subspace.dimension", "count-transport.counters"}  # fmt: skip
        assert wanted <= last["numbers"].keys()
        assert len(one["sentences"]) >= 4
        assert one["changes"]["accuracy"] == {"number": "accuracy", "snapshots": 6, "points": None}


def test_a_second_time_nothing_is_done_anew(followed: tuple[Path, dict], pair: Path) -> None:
    """Stored results are taken as they are, the rest is made; the words are the same."""
    out, found = followed
    files = sorted((out / "results").glob("*.json"))
    assert len(files) == 12
    files[0].unlink()
    stored = {path: path.stat().st_mtime_ns for path in files[1:]}
    assert json.loads(run("dynamics", pair, "--out", out, "--json").stdout) == found
    result = run("dynamics", pair, "--out", out)
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in files[1:]} == stored
    assert files[0].exists()
    for one in found["runs"]:
        # What is printed has plain blanks.
        missing = [s for s in one["sentences"] if s.replace("\xa0", " ") not in result.stdout]
        assert missing == []
    assert f"page: {out / 'dynamics.html'}" in result.stdout


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates are made in this process, where what a test sets is in force."""
    monkeypatch.setattr(
        "mechprobe.analyses.dynamics.learning.run_all",
        lambda work, jobs, _: ((job, work(job)) for job in jobs),
    )


@pytest.mark.usefixtures("here")
def test_learning_coefficients_are_followed_on_request(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored beside the results, taken up again, and a number or a reason at every snapshot."""
    small = learning_coefficient.Posterior(n=64, steps=6, chains=2)
    monkeypatch.setattr(learning_coefficient, "Posterior", lambda: small)
    monkeypatch.setattr(learning_coefficient, "SEQUENCES", 64)
    folder = tmp_path / "alone"
    for name in ("step-000004", "step-000900"):
        models.save(models.load(pair / "seed-0" / name), folder / name)
    arguments = ("dynamics", folder, "--out", tmp_path / "out", "--llc", "--json")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    (alone,) = json.loads(result.stdout)["runs"]
    for one in alone["snapshots"]:
        found = one["learning_coefficient"]
        assert (found["value"] is None) == bool(found["problem"]) == bool(found["reason"])
        assert one["numbers"]["learning coefficient"] == found["value"]
    assert alone["changes"]["λ"]["points"] is None
    files = sorted((tmp_path / "out" / "learning").iterdir())
    assert [file.name for file in files] == ["alone-step-000004.json", "alone-step-000900.json"]
    files[0].write_text("{")
    stored = files[1].stat().st_mtime_ns
    assert json.loads(run(*arguments).stdout)["runs"] == [alone]
    assert files[1].stat().st_mtime_ns == stored
    page = (tmp_path / "out" / "dynamics.html").read_text(encoding="utf-8")
    assert "Estimated local learning coefficient" in page


@pytest.mark.usefixtures("here")
def test_an_estimate_that_fails_is_told(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its place, in a sentence and in a line; the labels and the page are there all the same."""
    folder, out = tmp_path / "alone", tmp_path / "out"
    models.save(models.load(pair / "seed-0" / "step-000900"), folder / "step-000900")
    failing = Mock(side_effect=models.MechprobeError("step-000900: no room for its chains"))
    monkeypatch.setattr("mechprobe.analyses.dynamics.learning.of_model", failing)
    result = run("dynamics", folder, "--out", out, "--llc")
    assert result.exit_code == 2
    assert "not estimated" in result.stdout
    assert "No λ at 1 of 1 snapshots: at step 900 the estimate failed" in result.stdout
    assert "no room for its chains" in result.stderr
    assert "not estimated" in (out / "dynamics.html").read_text(encoding="utf-8")


def test_one_run_alone_and_a_damaged_snapshot(pair: Path, tmp_path: Path) -> None:
    """A folder of step-* is a run; a bad snapshot is a line and exit code 2, the others stay."""
    folder = tmp_path / "alone"
    for name in ("step-000004", "step-000900"):
        models.save(models.load(pair / "seed-0" / name), folder / name)
    (folder / "step-000059").mkdir()
    result = run("dynamics", folder, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 2
    assert "step-000059" in result.stderr
    (alone,) = json.loads(result.stdout)["runs"]
    assert alone["name"] == "alone"
    assert [s["step"] for s in alone["snapshots"]] == [4, 900]
    assert "step-000059" in (tmp_path / "out" / "dynamics.html").read_text(encoding="utf-8")


def test_runs_come_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    for seed in (10, 9, 2):
        (tmp_path / f"seed-{seed}" / "step-000001").mkdir(parents=True)
    (tmp_path / "seed-3").mkdir()
    (tmp_path / "other" / "step-000001").mkdir(parents=True)
    assert list(find_runs(tmp_path)) == ["seed-2", "seed-9", "seed-10"]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of a teacher attention that learns from a small random start."""
    folder = tmp_path_factory.mktemp("students") / "student"
    config = models.SolvableConfig.of(d=60)
    generator = torch.Generator().manual_seed(0)
    weights = initial(config, generator)
    problems = Problems.of(config, Dataset.draw(config, weights, 240, generator), [0.1])
    begin = 0.5 * weights["Q"].unsqueeze(0)
    for step in (1, 30, 300):
        path = descend(problems, begin, weights["Q_star"], lr=1.0, steps=step, every=step)
        hooked = models.HookedTransformer(config, weights | {"Q": path.Q[0]})
        models.save(hooked, folder / f"step-{step:06d}")
    return folder


def test_students_of_a_teacher_are_followed(student: Path, tmp_path: Path) -> None:
    """What is followed is their reading's: overlaps, effects and test error."""
    result = run("dynamics", student, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["task"], found["performance"]) == ("attention-regression", "test_error")
    (one,) = found["runs"]
    first, *_, last = one["snapshots"]
    assert (first["attention"], first["solved"]) == ("uninformed", False)
    assert (last["attention"], last["leans"], last["solved"]) == ("semantic", "semantic", True)
    assert last["test_error"] < first["test_error"]
    assert last["numbers"]["theta"] > last["numbers"]["theta_null"]
    assert one["formation"]["final"] == "semantic"
    assert "counters" not in last
    shown = run("dynamics", student, "--out", tmp_path / "out").stdout
    for said in ("Test error", "semantic share", "An overlap rises above that of 99"):
        assert said in shown
    page = (tmp_path / "out" / "dynamics.html").read_text(encoding="utf-8")
    assert "How a student's attention forms" in html.unescape(page)
    assert "accuracy" not in page.split("</style>")[1].lower()


def test_a_task_that_is_not_followed_is_said(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without reading, and one whose reading follows nothing."""
    reading = type(READINGS["attention-regression"])
    monkeypatch.setattr(reading, "follow", lambda self: None)
    nothing = run("dynamics", student, "--out", tmp_path / "out").stderr
    task = Mock(spec=models.Task)
    task.name = "sum"
    other = Mock(spec=models.HookedTransformer, config=Mock(), **{"task.return_value": task})
    monkeypatch.setattr("mechprobe.analyses.dynamics.finding.read_meta", lambda path: {})
    monkeypatch.setattr("mechprobe.analyses.dynamics.finding.load", lambda path, _: other)
    unknown = run("dynamics", student, "--out", tmp_path / "out").stderr
    assert "does not say what to follow" in nothing
    assert "task sum: no labels are known" in unknown
    assert nothing.count("\n") == unknown.count("\n") == 1


def a_run(folder: Path, *steps: int) -> Path:
    """Untrained snapshots of one model."""
    model = models.construct("dot", T=6, L=5)
    for step in steps:
        models.save(model, folder / f"step-{step:06d}", {"step": step, "seed": 0})
    return folder


def test_results_of_another_run_are_left_alone(tmp_path: Path) -> None:
    """Runs of the same names too."""
    first, second = (a_run(tmp_path / name / "run", 1, 10) for name in ("a", "b"))
    out = tmp_path / "out"
    assert run("dynamics", first, "--out", out).exit_code == 0
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    other = run("dynamics", second, "--out", out)
    assert other.exit_code == 2
    assert "holds results of others (run-step-000001 of " in other.stderr
    assert other.stderr.count("\n") == 1
    assert before == {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with folder_alone(out):
        held = run("dynamics", first, "--out", out)
    assert held.exit_code == 2
    assert "is at work here" in held.stderr


def test_a_damaged_first_snapshot_costs_no_other(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", 1, 10)
    (folder / "step-000001" / "config.json").write_text("{")
    result = run("dynamics", folder, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 2
    assert "step-000001" in result.stderr
    (alone,) = json.loads(result.stdout)["runs"]
    assert [one["step"] for one in alone["snapshots"]] == [10]
    (folder / "step-000010" / "config.json").write_text("{")
    nothing = run("dynamics", folder, "--out", tmp_path / "none")
    assert "no snapshot can be read" in nothing.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("name", "sizes", "meta", "says"),
    [
        ("step-1", {}, {"step": 1, "seed": 0}, "step-000001 and step-1 are of one number"),
        ("step-5", {"T": 7}, {"step": 5, "seed": 0}, "of another training than step-000001 (sizes"),
        ("step-5", {}, {"step": 5, "seed": 1}, "(seed: 1, not 0); keep the snapshots of each"),
        ("step-5", {}, {"step": 6, "seed": 0}, "step-5: says itself that it is of step 6"),
    ],
)
def test_snapshots_of_a_run_are_of_one_training(
    name: str, sizes: dict[str, int], meta: dict[str, int], says: str, tmp_path: Path
) -> None:
    folder = a_run(tmp_path / "run", 1, 10)
    models.save(models.construct("dot", **({"T": 6, "L": 5} | sizes)), folder / name, meta)
    result = run("dynamics", folder, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    """No folder, no snapshots, runs of several tasks."""
    config = models.SolvableConfig.of(d=50)
    untrained = models.HookedTransformer(config, initial(config, torch.Generator().manual_seed(0)))
    models.save(untrained, tmp_path / "several" / "seed-0" / "step-000001")
    models.save(models.construct("dot", T=6, L=5), tmp_path / "several" / "seed-1" / "step-000001")
    (tmp_path / "empty").mkdir()
    for folder, says in (
        ("nowhere", "no such folder"),
        ("empty", "no snapshots here"),
        ("several", "runs of several tasks (attention-regression, histogram)"),
    ):
        result = run("dynamics", tmp_path / folder, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert says in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_short_sequences_are_said(tmp_path: Path) -> None:
    """L = 2 leaves one count to compare: no snapshot can be labelled."""
    models.save(models.construct("dot", T=6, L=2), tmp_path / "run" / "step-000001")
    result = run("dynamics", tmp_path / "run", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "L of at least 3" in result.stderr
