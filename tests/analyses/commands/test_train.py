"""`mechprobe train`: nothing that was trained is lost, whatever stops the command."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mechprobe import models
from mechprobe.analyses.commands.main import main
from mechprobe.analyses.commands.train import training
from mechprobe.models import MechprobeError
from mechprobe.models.base.folders import COMPLETE, folder_alone

SMALL = ("--T", "6", "--L", "4", "--d", "6", "--p", "4", "--steps", "60", "--batch", "8")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", "dot", *SMALL, *map(str, arguments)])


def hidden(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob(".*"))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Model-steps that each call had to do."""
    calls: list[int] = []
    train = training.train

    def counting(trainees, **more):  # type: ignore[no-untyped-def]
        start = [0]
        progress = more.pop("progress")

        def report(steps: int) -> None:
            start.append(steps)
            progress(steps)

        resumed = more["state_path"].exists()
        found = train(trainees, progress=report, **more)
        calls.append(sum(start[2:]) if resumed else sum(start))
        return found

    monkeypatch.setattr(training, "train", counting)
    return calls


def failing_save(monkeypatch: pytest.MonkeyPatch, good: int, error: BaseException) -> None:
    """Saves so many checkpoints, and then fails."""
    save, saved = models.save, []

    def fail(*arguments: object) -> None:
        if len(saved) == good:
            raise error
        saved.append(save(*arguments))  # type: ignore[arg-type, func-returns-value]

    monkeypatch.setattr(training, "save", fail)


FULL = MechprobeError("out: cannot write (No space left on device)")


@pytest.mark.parametrize("good", [0, 1, 2])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()], ids=["disk", "stop"])
def test_what_was_trained_is_saved_by_the_same_command(
    good: int, error: BaseException, counted: list[int], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Nothing is trained twice, nothing saved already is in the way."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        failing_save(patch, good, error)
        assert run("--models", 3, "--out", out).exit_code in (2, 130)
    assert len(list(out.glob("seed-*"))) == good
    result = run("--models", 3, "--out", out)
    assert result.exit_code == 0, result.output
    assert counted == [180, 0]
    assert sorted(p.name for p in out.iterdir()) == ["seed-0", "seed-1", "seed-2"]
    for seed in range(3):
        alone = run("--seed", seed, "--out", tmp_path / f"alone-{seed}")
        assert alone.exit_code == 0, alone.output
        found = [models.load(p) for p in (out / f"seed-{seed}", tmp_path / f"alone-{seed}")]
        assert found[0].fingerprint() == found[1].fingerprint()
    assert not hidden(tmp_path)


def test_a_folder_that_somebody_else_filled_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        failing_save(patch, 1, FULL)
        run("--models", 2, "--out", out)
    models.save(models.construct("lin", T=6, L=4), out / "seed-1")
    before = models.load(out / "seed-1").fingerprint()
    result = run("--models", 2, "--out", out)
    assert result.exit_code == 2
    assert "seed-1: is there already" in result.stderr
    assert models.load(out / "seed-1").fingerprint() == before


def test_a_model_that_diverges_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for it and exit code 2; the others are saved, with and without snapshots."""
    train = training.train

    def one_diverges(trainees, **more):  # type: ignore[no-untyped-def]
        found = train(trainees, **more)
        return [replace(one, diverged_at=7) if i == 1 else one for i, one in enumerate(found)]

    monkeypatch.setattr(training, "train", one_diverges)
    for name, more in (("plain", ()), ("shots", ("--snapshots", 2))):
        result = run("--models", 3, "--out", tmp_path / name, *more)
        assert result.exit_code == 2
        assert "seed-1: training with seed 1 diverged at step 7" in result.stderr
        assert "smaller learning rate than 0.005" in result.stderr
        assert result.stdout.count("accuracy") == 2
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == ["seed-0", "seed-2"]
    result = run("--models", 2, "--seed", 0, "--out", tmp_path / "x")
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == ["seed-0"]


def test_a_model_that_diverges_alone_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = training.train
    monkeypatch.setattr(
        training, "train", lambda t, **m: [replace(one, diverged_at=7) for one in train(t, **m)]
    )
    for more in ((), ("--snapshots", 2)):
        result = run("--out", tmp_path / "out", *more)
        assert (result.exit_code, result.stdout) == (2, "")
        assert list(tmp_path.iterdir()) == []


def test_where_one_stands_and_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--out .`, a folder of one's own permissions, a link: all stay what they are."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(home)
    monkeypatch.chdir(home)
    before = home.stat()
    assert run("--out", ".").exit_code == 0
    assert models.load(home).config.d == 6
    assert run("--out", tmp_path / "link", "--force").exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert (home.stat().st_ino, home.stat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(p.name for p in home.iterdir()) == ["config.json", "model.safetensors"]
    assert all(
        file.stat().st_mode == (home / "config.json").stat().st_mode for file in home.iterdir()
    )


def test_two_commands_do_not_train_into_one_folder(tmp_path: Path) -> None:
    with folder_alone(tmp_path / "out"):
        for more in ((), ("--snapshots", 2), ("--models", 2)):
            result = run("--out", tmp_path / "out", *more)
            assert result.exit_code == 2
            assert f"(process {os.getpid()}) is at work here" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_snapshots_whose_last_move_was_cut_short_are_there(
    moved: int, counted: list[int], tmp_path: Path
) -> None:
    """Killed while snapshots that count were moved, or before the state was removed."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert run("--snapshots", 3, "--out", whole).exit_code == 0
    names = sorted(path.name for path in whole.iterdir())
    (out / COMPLETE).mkdir(parents=True)
    for i, name in enumerate(names):
        (whole / name).rename((out if i < moved else out / COMPLETE) / name)
    if moved == 3:
        (out / COMPLETE).rmdir()
    # Without its state it could be anybody's.
    refused = run("--snapshots", 3, "--out", out)
    assert refused.exit_code == 2
    assert "is there already" in refused.stderr
    assert sorted(path.name for path in out.iterdir()) == names
    config = models.CountingConfig.of("dot", T=6, L=4, d=6, p=4)
    trainee = models.Trainee(config, 0, training.plan_of("fast", 60, 8, None))
    steps = [int(name.removeprefix("step-")) for name in names]
    models.train([trainee], snapshots=steps, state_path=out / training.STATE)
    result = run("--snapshots", 3, "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == names
    assert counted[1:] == [0]


def test_killed_and_begun_again(tmp_path: Path) -> None:
    """kill -9 while it trains: its lock does not block, its state is taken up, no litter stays."""
    arguments = ["train", "dot", *SMALL[:-4], "--steps", "3000", "--batch", "8", "--out"]
    code = (
        "import os, signal, sys\n"
        "from mechprobe.models.families.counting.training import trainer\n"
        "keep = trainer.keep\n"
        "def then_die(*arguments):\n"
        "    keep(*arguments)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "trainer.keep = then_die\n"
        "from mechprobe.analyses.commands.main import main\n"
        "main(sys.argv[1:])\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, *arguments, tmp_path / "out"], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert hidden(tmp_path) == [".mechprobe-lock", ".mechprobe-training.safetensors"]
    for out in ("out", "undisturbed"):
        result = CliRunner().invoke(main, [*arguments, str(tmp_path / out)])
        assert result.exit_code == 0, result.output
    found = [models.load(tmp_path / out).fingerprint() for out in ("out", "undisturbed")]
    assert found[0] == found[1]
    assert not hidden(tmp_path)
