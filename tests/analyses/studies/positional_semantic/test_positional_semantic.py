"""The study of both solutions, really small, through its command; and its parts."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from mechprobe import models
from mechprobe.analyses.common import runs
from mechprobe.analyses.studies.positional_semantic import training
from mechprobe.analyses.studies.positional_semantic import work as command
from mechprobe.analyses.studies.positional_semantic.contents import Model, PositionalSemantic
from mechprobe.analyses.studies.positional_semantic.patterns import spelt
from mechprobe.analyses.studies.positional_semantic.plan import EXAMPLES, FULL, QUICK, Budget
from mechprobe.analyses.studies.positional_semantic.reading import demands
from mechprobe.analyses.studies.positional_semantic.training import Job, train_job
from mechprobe.models.families.transformer import Plan, histogram_split
from mechprobe.models.families.transformer import train as real_train
from mechprobe.probes.runs import load_run
from tests.analyses.shell import mechprobe

TINY = Budget(
    T=6, L=5, d=8, p=16, sequences=400, quick=True,
    first=Plan(epochs=3, batch=32, lr=1e-2),
    then=Plan(epochs=2, batch=32, lr=1e-3, optimizer="sgd"),
)  # fmt: skip
ODD = "a&<b>b"  # a folder's name, and so a part of the command on the page
NAMES = ["free_0", "only_pos_0", "only_pos_0_freed", "only_sem_0", "only_sem_0_freed"]


def one_by_one(work, jobs, *_):
    """In place of `run_all`: processes take longer to start than these jobs to run."""
    return [(job, work(pickle.loads(pickle.dumps(job)))) for job in jobs]


def run(folder: Path) -> int:
    """The command on the tiny budget; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK", TINY)
        patch.setattr(command, "run_all", one_by_one)
        patch.setattr(runs, "run_all", one_by_one)
        options = ("--quick", "--out", folder, "--seeds", 1, "--free", 1)
        return mechprobe("study", "positional-semantic", *options).exit_code


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder of a finished tiny study, and the command's exit code."""
    folder = tmp_path_factory.mktemp("study") / ODD
    return folder, run(folder)


@pytest.fixture(scope="module")
def result(finished: tuple[Path, int]) -> PositionalSemantic:
    file = finished[0] / "positional_semantic.json"
    return PositionalSemantic.model_validate_json(file.read_text(encoding="utf-8"))


def test_the_folder_is_a_run_with_page_and_picture(finished: tuple[Path, int]) -> None:
    folder, _ = finished
    _, results = load_run(folder)
    assert [one.name for one in results] == NAMES
    assert {probe.probe for probe in results[0].probes} >= {"attention-sources", "keep-source"}
    assert sorted(p.name for p in (folder / "models").iterdir()) == NAMES  # no state is left
    html = (folder / "positional_semantic.html").read_text(encoding="utf-8")
    assert "a&amp;&lt;b&gt;b" in html
    assert ODD not in html
    assert (folder / "positional_semantic.png").read_bytes().startswith(b"\x89PNG")


def test_numbers_are_those_of_the_checkpoints(
    finished: tuple[Path, int], result: PositionalSemantic
) -> None:
    folder, code = finished
    assert [model.name for model in result.models] == sorted(NAMES[1:]) + NAMES[:1]
    assert code == int(any(demand.met is False for demand in result.demands))
    for one in result.models:
        checkpoint = folder / "models" / one.name
        model = models.load(checkpoint)
        config = TINY.config(one.start)
        _, held_out = histogram_split(
            config.task(), TINY.sequences,
            training.epoch_generator(one.seed, training.DATA, training.STREAM),
        )  # fmt: skip
        assert one.accuracy == pytest.approx(config.task().accuracy(model(held_out), held_out))
        assert model.config.attends == ("both" if one.freed else one.start)
        for matrix in one.patterns:
            assert len(matrix) == TINY.L
            assert [sum(row) for row in matrix] == pytest.approx([1.0] * TINY.L, abs=1e-5)


def test_halves_are_pure_and_freeing_moves_little(result: PositionalSemantic) -> None:
    """What attention cannot see has no share; after unfreezing it is the noise's."""
    for start, before, after in result.solutions:
        alone = {"only_pos": "positional", "only_sem": "semantic"}[start]
        assert getattr(before.shares, alone) == pytest.approx(1.0)
        assert getattr(after.shares, alone) > 0.95
        assert before.noise is None
        assert after.noise is not None
        assert 0 < after.noise < 0.2
        assert 0 < after.moved < before.moved


def test_a_second_run_keeps_everything_and_says_the_same(
    finished: tuple[Path, int], result: PositionalSemantic, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, code = finished
    files = [*(folder / "models").glob("*/*"), *(folder / "results").iterdir()]
    before = {file: file.stat().st_mtime_ns for file in files}
    monkeypatch.setattr(command, "write_page", lambda *_: None)
    monkeypatch.setattr(command, "write_picture", lambda *_: None)
    assert run(folder) == code
    assert {file: file.stat().st_mtime_ns for file in files} == before
    again = (folder / "positional_semantic.json").read_text(encoding="utf-8")
    assert PositionalSemantic.model_validate_json(again) == result


def test_a_stopped_training_goes_on_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: tuple[Path, int]
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    def stopped(*given, **named):
        return real_train(*given, **named, progress=stop)

    job = Job(tmp_path, "only_sem", 0, TINY)
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_job(job)
    left = list((tmp_path / "models").iterdir())
    assert [file.name.startswith(".only_sem_0-") for file in left] == [True]
    train_job(job)
    for name, _ in job.stages:
        again = models.load(job.checkpoint(name)).fingerprint()
        assert again == models.load(finished[0] / "models" / name).fingerprint()


def test_another_budget_or_a_damaged_checkpoint_is_trained_anew(tmp_path: Path) -> None:
    job = Job(tmp_path, "both", 0, TINY)
    train_job(job)
    first = models.load(job.checkpoint("free_0")).fingerprint()
    (job.checkpoint("free_0") / "model.safetensors").write_bytes(b"cut")
    train_job(job)
    assert models.load(job.checkpoint("free_0")).fingerprint() == first
    train_job(replace(job, budget=replace(TINY, first=replace(TINY.first, epochs=1))))
    assert models.load(job.checkpoint("free_0")).fingerprint() != first


def test_what_is_missed_is_said(result: PositionalSemantic) -> None:
    """In the full budget accuracies and shares are asked for too."""
    wrong = [
        one.model_copy(update={"attention": "mixed"}) if one.name == "only_sem_0" else one
        for one in result.models
    ]
    found = demands(wrong, replace(TINY, quick=False))
    assert [demand.met for demand in found] == [False, False, False, False]
    assert "only_sem_0 is mixed" in found[0].found
    good = [_made_good(one) for one in result.models]
    assert [one.met for one in demands(good, FULL)] == [True] * 4
    assert [one.met for one in demands(good, QUICK)] == [True, None, None, None]
    assert len(demands([one for one in good if one.start != "both"], FULL)) == 3


def _made_good(one: Model) -> Model:
    kinds = {"only_pos": "positional", "only_sem": "semantic", "both": "mixed"}
    shares = one.shares.model_copy(update={"positional": 0.43, "semantic": 0.52})
    return one.model_copy(
        update={"accuracy": 0.999, "shares": shares, "attention": kinds[one.start]}
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--seeds", "0"), "Invalid value for '--seeds': 0 is not in the range 1<=x<=1000."),
        (("--free", "-1"), "Invalid value for '--free': -1 is not in the range 0<=x<=1000."),
        (("--seed", "-1"), "Invalid value for '--seed': -1 is not in the range 0<=x<=2147483647."),
        (("--quick", "--published"), "--quick and --published exclude each other"),
    ],
)
def test_bad_options_are_one_line(arguments, says, tmp_path) -> None:
    left = mechprobe("study", "positional-semantic", "--out", tmp_path / "x", *arguments)
    assert left.exit_code == 2
    assert left.stderr.startswith(f"mechprobe: {says}")
    assert left.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_with_other_things_is_refused(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    left = mechprobe("study", "positional-semantic", "--out", tmp_path)
    assert left.exit_code == 2
    assert "holds other files" in left.stderr


def test_budgets_and_examples_are_the_papers() -> None:
    assert [spelt(tokens) for tokens in EXAMPLES] == ["BBCCDDBBBB", "LMDMMMAHHB", "ONMLKJIHGF"]
    assert FULL.examples == [list(tokens) for tokens in EXAMPLES]
    assert all(max(tokens) < TINY.T and len(tokens) == TINY.L for tokens in TINY.examples)
    rows = {row.name: row for row in FULL.settings(5, 5)}
    assert rows["Sizes"].here == rows["Sizes"].published
    assert rows["Sequences"].here == rows["Sequences"].published
    assert json.loads(rows["Runs"].model_dump_json())["published"] == "10 of each"
