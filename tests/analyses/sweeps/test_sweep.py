"""A sweep's folder: results, status, models taken out, and what is refused."""

import errno
import importlib
import os
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import SafetensorError

from mechprobe import models
from mechprobe.analyses.commands.main import main
from mechprobe.analyses.sweeps import Grid, sweep
from mechprobe.analyses.sweeps.shards import shards_of
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.summary import summary
from mechprobe.analyses.sweeps.table import COLUMNS, read_frame, read_rows
from mechprobe.analyses.sweeps.work import do_shard, row_of
from mechprobe.models import MechprobeError, Trainee, train
from mechprobe.models.base import tensor_files
from mechprobe.models.families.counting import initial
from mechprobe.models.families.counting.training import state
from mechprobe.probes import label
from tests.analyses.sweeps import sweeping

TINY = Grid.checked(
    {
        "T": 6, "L": 5, "d": [8, 20], "p": [8], "arch": ["bos", "lin"], "seeds": 1,
        "lr": [3e-3, 1e-2], "steps": 600, "batch": 16, "snapshots": 3,
    }
)  # fmt: skip
OPTIONS = (
    "--T", "6", "--L", "5", "--d", "8,20", "--p", "8", "--arch", "bos,lin", "--seeds", "1",
    "--lr", "3e-3,1e-2", "--steps", "600", "--batch", "16", "--snapshots", "3",
)  # fmt: skip


def run(*arguments: str | Path) -> Result:
    """One call of the command."""
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards one after another, so that faults can be put in: their work is the same."""

    def here(folder: Path, shards: list, *_: object) -> None:
        for shard in shards:
            do_shard(folder, shard)

    # The package gives the function of this name; the module is meant.
    monkeypatch.setattr(
        importlib.import_module("mechprobe.analyses.sweeps.run"), "run_shards", here
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep."""
    folder = tmp_path_factory.mktemp("sweep") / "run"
    sweep(folder, TINY, workers=1)
    return folder


def test_the_table_has_a_row_a_model_and_the_documented_columns(swept: Path) -> None:
    """In the grid's order; evidence and measures beside the named columns."""
    frame = read_frame(swept / "results.parquet")
    assert frame["model"].tolist() == [m.name for m in TINY.members()]
    assert set(COLUMNS) <= set(frame.columns)
    assert {"evidence_lost", "evidence_kappa", "mutual-coherence.coherence"} <= set(frame.columns)
    assert frame["chosen"].sum() == len(frame) / 2
    assert frame["accuracy"].between(0, 1).all()
    assert (frame["accuracy"] != frame["validation_accuracy"]).any()
    assert all(len(tokens) == 6 for tokens in frame["tokens"])
    assert frame["problem"].isna().all()


def test_a_row_is_what_training_and_labelling_alone_give(swept: Path) -> None:
    """Weights bit by bit, label, accuracy."""
    member = TINY.members()[3]
    row = read_rows(swept / "results.parquet")[3]
    (trained,) = train([member.trainee])
    model = models.HookedTransformer(member.trainee.config, trained.weights)
    verdict = label(model)
    assert row["model_hash"] == model.fingerprint()
    assert (row["mechanism"], row["counters"]) == (verdict.mechanism, verdict.counters)
    assert row["confidence"] == pytest.approx(verdict.confidence)
    np.testing.assert_allclose(row["kappa"], verdict.kappa, atol=1e-5)
    task = member.trainee.config.task()
    tokens = task.sample(4096, torch.Generator().manual_seed(99))
    with torch.no_grad():
        assert task.accuracy(model(tokens), tokens) == pytest.approx(row["accuracy"], abs=0.03)


def test_a_finished_sweep_is_not_done_again(swept: Path) -> None:
    """The same command only writes the same table."""
    before = sweeping.contents(swept)
    times = {p: p.stat().st_mtime_ns for p in (swept / "shards").iterdir()}
    result = run("counting", *OPTIONS, "--out", swept)
    assert result.exit_code == 0, result.output
    assert "bos           2" in result.output
    assert sweeping.contents(swept) == before
    assert {p: p.stat().st_mtime_ns for p in (swept / "shards").iterdir()} == times


def test_a_grid_may_be_a_file(swept: Path) -> None:
    """The folder's own file is one; other settings beside it are refused."""
    result = run("counting", "--grid", swept / "sweep.toml", "--out", swept)
    assert result.exit_code == 0, result.output
    result = run("counting", "--grid", swept / "sweep.toml", "--d", "4", "--out", swept)
    assert result.exit_code == 2
    assert "--grid says it all" in result.stderr


def test_a_damaged_shard_is_made_again(swept: Path, tmp_path: Path) -> None:
    """Truncated, empty, or another's: it does not count as done."""
    copy = tmp_path / "copy"
    shutil.copytree(swept, copy)
    files = sorted((copy / "shards").iterdir())
    files[0].write_bytes(files[0].read_bytes()[:-100])
    files[1].write_bytes(b"")
    shutil.copy(files[3], files[2])
    (copy / "shards" / ".mechprobe-0.part").mkdir()
    (copy / "shards" / ".mechprobe-0.part" / "00000.safetensors").write_bytes(b"half")
    (copy / "results.parquet").unlink()
    assert "4 of 8" not in run("status", copy).output
    sweep(copy, TINY, workers=2)
    assert sweeping.contents(copy) == sweeping.contents(swept)


def test_status_says_how_far_it_is(swept: Path, tmp_path: Path) -> None:
    """Finished; and stopped before the end."""
    assert "models: 8 of 8 done (100 %)" in run("status", swept).output
    assert "state: finished" in run("status", swept).output
    part = Store(tmp_path / "part")
    part.begin(TINY)
    first = shards_of(TINY)[0]
    rows = Store(swept).rows(first)
    assert rows is not None
    part.put(first, rows, train([m.trainee for m in first.members]))
    said = run("status", part.folder).output
    assert f"models: {len(rows)} of 8 done" in said
    assert "state: stopped; the same command goes on" in said
    with part.alone():
        assert "state: at work" in run("status", part.folder).output


def test_models_come_out_as_checkpoints(swept: Path, tmp_path: Path) -> None:
    """With its snapshots, the last of which is the end; a wrong name is told, with the right."""
    name = TINY.members()[0].name
    result = run("extract", swept, name, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    paths = sorted((tmp_path / "out").iterdir())
    assert [p.name for p in paths] == ["step-001", "step-024", "step-600"]
    row = read_rows(swept / "results.parquet")[0]
    assert models.load(paths[-1]).fingerprint() == row["model_hash"]
    assert models.read_meta(paths[1])["step"] == 24
    again = run("extract", swept, name, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    wrong = run("extract", swept, name[:-1], "--out", tmp_path / "other")
    assert wrong.exit_code == 2
    assert f"did you mean {name!r}?" in wrong.stderr


def test_another_grids_folder_is_refused_and_left_alone(swept: Path, tmp_path: Path) -> None:
    """So are folders with other files, and a file of that name."""
    before = sweeping.contents(swept)
    result = run("counting", *OPTIONS, "--steps", "700", "--out", swept)
    assert result.exit_code == 2
    assert "holds the sweep of another grid (steps is 600 there, 700 here)" in result.stderr
    assert sweeping.contents(swept) == before
    (tmp_path / "thesis.tex").write_text("all my work")
    result = run("counting", *OPTIONS, "--out", tmp_path)
    assert result.exit_code == 2
    assert "holds other files and no sweep" in result.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"thesis.tex"}
    result = run("counting", *OPTIONS, "--out", tmp_path / "thesis.tex")
    assert result.exit_code == 2
    assert "is a file, a folder is wanted" in result.stderr
    result = run("status", tmp_path)
    assert result.exit_code == 2
    assert "no sweep here" in result.stderr


def test_two_sweeps_on_one_folder_are_refused(tmp_path: Path) -> None:
    """The second is told, the first goes on; when the first is gone the folder is free."""
    first = sweeping.start(tmp_path / "run")
    sweeping.wait_for(lambda: (tmp_path / "run" / "sweep.toml").exists())
    second = sweeping.start(tmp_path / "run")
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "another sweep is at work here" in errors
    _, errors = first.communicate(timeout=300)
    assert first.returncode == 0, errors
    assert len(read_rows(tmp_path / "run" / "results.parquet")) == sweeping.MODELS


def test_a_full_disk_ends_the_sweep_in_one_line_and_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third shard finds no room; the first two stay, and the sweep goes on later."""
    written: list[Path] = []
    real = tensor_files.save_file

    def no_room(tensors: dict, path: Path, metadata: dict) -> None:
        if len(written) == 2:
            path.write_bytes(b"half a sh")
            raise SafetensorError(f"Error while serializing: {os.strerror(errno.ENOSPC)}")
        real(tensors, path, metadata=metadata)
        written.append(path)

    monkeypatch.setattr(tensor_files, "save_file", no_room)
    in_this_process(monkeypatch)
    with pytest.raises(MechprobeError, match="No space left on device"):
        sweep(tmp_path / "run", TINY)
    left = [p.name for p in (tmp_path / "run" / "shards").iterdir()]
    assert sorted(left) == ["00000.safetensors", "00001.safetensors"]
    assert not (tmp_path / "run" / "results.parquet").exists()
    monkeypatch.setattr(tensor_files, "save_file", real)
    assert len(sweep(tmp_path / "run", TINY)) == 8


def test_a_limit_on_files_reaches_the_user_from_a_worker(tmp_path: Path) -> None:
    """A worker's own failure to write, as the system tells it: one line, exit code 2."""
    process = subprocess.run(
        sweeping.command("counting", *sweeping.SMALL, "--out", tmp_path / "run"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 2
    last = process.stderr.strip().splitlines()[-1]
    assert "cannot write" in last
    assert "Traceback" not in process.stderr
    assert sweeping.done(tmp_path / "run") == 0
    assert not list((tmp_path / "run" / "shards").glob(".*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    """Before anything is trained."""
    tmp_path.chmod(0o500)
    result = run("counting", *OPTIONS, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "cannot write here" in result.stderr


def test_a_folder_that_cannot_be_is_refused() -> None:
    """Also where the tests run as root."""
    result = run("counting", *OPTIONS, "--out", "/proc/nowhere/run")
    assert result.exit_code == 2
    assert "cannot write here" in result.stderr


def test_a_model_that_diverges_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It harms no other; its row says at which step, and why it has no label."""

    def spoilt(config, generator):  # type: ignore[no-untyped-def]
        weights = initial(config, generator)
        if generator.initial_seed() == 1:
            weights["W_E"][0, 0] = float("inf")
        return weights

    grid = Grid.checked(TINY.model_dump() | {"seeds": 2, "d": [8], "arch": ["bos"], "lr": [3e-3]})
    fit = grid.members()[0].trainee
    (wanted,) = train([Trainee(fit.config, fit.seed, fit.plan)])
    monkeypatch.setattr(state, "initial", spoilt)
    in_this_process(monkeypatch)
    good, bad = sweep(tmp_path / "run", grid)
    assert (good["diverged_at"], bad["diverged_at"]) == (None, 0)
    assert good["model_hash"] == models.HookedTransformer(fit.config, wanted.weights).fingerprint()
    assert "holds NaN or infinite values" in bad["problem"]
    assert bad["chosen"]  # of its seed there is no other
    rows = read_rows(tmp_path / "run" / "results.parquet")
    assert (rows[1]["mechanism"], rows[1]["diverged_at"]) == (None, 0)


def test_training_that_ended_at_a_constant_answer_is_flagged() -> None:
    """It is not what the architecture can do: weights that are all zero, and some that are not."""
    grid = Grid.checked(TINY.model_dump() | {"seeds": 1, "d": [8], "arch": ["bos"], "lr": [3e-3]})
    (member,) = grid.members()
    (trained,) = train([member.trainee])
    nothing = replace(trained, weights={name: 0 * w for name, w in trained.weights.items()})
    rows = [row_of(member, one, seed=0) | {"chosen": True} for one in (trained, nothing)]
    assert [row["collapsed"] for row in rows] == [False, True]
    assert rows[1]["mechanism"] == "unsolved"
    assert "1 collapsed to a constant answer" in summary(rows)


def test_tables_of_earlier_versions_stay_readable(swept: Path, tmp_path: Path) -> None:
    """They did not say which models collapsed."""
    table = pq.read_table(swept / "results.parquet").drop_columns(["collapsed"])
    pq.write_table(table, tmp_path / "results.parquet")
    assert len(read_rows(tmp_path / "results.parquet")) == table.num_rows


def test_a_shard_of_another_grid_does_not_count(swept: Path, tmp_path: Path) -> None:
    """Same models by name, other steps: it is told, not mixed in and not removed."""
    copy = tmp_path / "copy"
    shutil.copytree(swept, copy)
    other = Grid.checked(TINY.model_dump() | {"steps": 300})
    other.write(copy / "sweep.toml")
    result = run("counting", "--grid", copy / "sweep.toml", "--out", copy)
    assert result.exit_code == 2
    assert "was made for another grid" in result.stderr
    assert len(list((copy / "shards").iterdir())) == len(shards_of(TINY))
    (copy / "sweep.toml").unlink()
    result = run("counting", *OPTIONS, "--out", copy)
    assert result.exit_code == 2
    assert "holds other files and no sweep" in result.stderr


def test_a_start_that_was_killed_or_failed_leaves_the_folder_free(tmp_path: Path) -> None:
    """Half a grid file, or the grid of a sweep that has stored nothing yet."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".mechprobe-abc.part").mkdir()
    (folder / ".mechprobe-abc.part" / "sweep.toml").write_text("d = [4")
    (folder / ".lock").touch()
    failed = run("counting", *OPTIONS, "--device", "cuda:99", "--out", folder)
    assert "is not at hand" in failed.stderr
    result = run("counting", *OPTIONS, "--out", folder)
    assert result.exit_code == 0, result.output
    assert not list(folder.glob(".mechprobe-*"))


def test_all_models_without_a_table_is_not_finished(swept: Path, tmp_path: Path) -> None:
    """Stopped at the last moment; the log's times may be nonsense."""
    copy = tmp_path / "copy"
    shutil.copytree(swept, copy)
    (copy / "results.parquet").unlink()
    (copy / "sweep.log").write_text("yesterday begin: many s of work done before\n")
    said = run("status", copy).output
    assert "8 of 8 done" in said
    assert "state: stopped; the same command goes on" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--p", "4"), "--d is wanted"),
        (("--d", "4,x", "--p", "4"), "numbers with commas"),
        (("--d", "4", "--p", "4", "--address", "tcp://x"), "--address is of a cluster"),
        (("--d", "4", "--p", "4", "--engine", "slurm"), "--engine"),
        (("--d", "4", "--p", "4", "--device", "cuda:99"), "is not at hand"),
    ],
    ids=str,
)
def test_wrong_options_are_told_in_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """Exit code 2, and no results."""
    result = run("counting", *arguments, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "run" / "results.parquet").exists()
