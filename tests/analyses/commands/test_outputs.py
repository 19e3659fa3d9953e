"""What commands write: for whom it can be read, and what of it is never written over."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mechprobe.analyses.studies.foreign_models import work
from mechprobe.analyses.sweeps.store import LOCK_FILE, Store
from mechprobe.models import MechprobeError, construct, load, save
from tests.analyses.shell import mechprobe

SMALL = ("--T", 4, "--L", 4)
TRAIN = ("train", "lin", *SMALL, "--d", 4, "--p", 4, "--steps", 4, "--batch", 4)
BUILD = ("construct", "dot-lookup", *SMALL)


@pytest.fixture(params=[0o002, 0o027, 0o077], ids=oct)
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The process's mask, as a shell sets it."""
    before = os.umask(request.param)
    try:
        yield request.param
    finally:
        os.umask(before)


def test_files_and_folders_are_as_the_mask_says(mask: int, tmp_path: Path) -> None:
    """Weights and snapshots as well, of which libraries make private files."""
    for words in (
        (*BUILD, "--out", tmp_path / "built"),
        (*TRAIN, "--out", tmp_path / "one"),
        (*TRAIN, "--models", 2, "--out", tmp_path / "several"),
        (*TRAIN, "--snapshots", 2, "--out", tmp_path / "along"),
    ):
        assert mechprobe(*words).exit_code == 0
    with Store(tmp_path / "sweep").alone():
        assert (tmp_path / "sweep" / LOCK_FILE).is_file()
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert sum(path.suffix == ".safetensors" for path in found) == 6
    wanted = {path: (0o777 if path.is_dir() else 0o666) & ~mask for path in found}
    assert found == wanted


@pytest.mark.parametrize("words", [BUILD, TRAIN], ids=lambda words: words[0])
def test_a_checkpoint_that_is_there_stays_unless_it_is_to_go(
    words: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands that make one refuse alike; with `--force` the old one outlives a failure."""
    out = tmp_path / "there"
    save(construct("bos+sftm", T=4, L=4), out, {"mine": True})
    before = load(out).fingerprint()
    refused = mechprobe(*words, "--out", out)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.strip() == (
        f"mechprobe: {out}: is there already; choose another --out, or replace it with --force"
    )
    with monkeypatch.context() as full:
        full.setattr(
            "mechprobe.models.base.workplaces.os.fsync",
            lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        failed = mechprobe(*words, "--out", out, "--force")
    assert failed.exit_code == 2
    assert "No space left on device" in failed.stderr
    assert load(out).fingerprint() == before
    assert mechprobe(*words, "--out", out, "--force").exit_code == 0
    assert load(out).fingerprint() != before
    assert sorted(file.name for file in out.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", [work.TRAINED, work.COMPILED])
def test_a_study_does_not_write_over_the_checkpoints_of_others(name: str, tmp_path: Path) -> None:
    """Its own, of other settings, it makes anew."""
    mechprobe(*BUILD, "--out", tmp_path / name)
    with pytest.raises(MechprobeError, match="that this study did not make"):
        work.refuse_others_checkpoint(tmp_path / name, name)
    found = mechprobe("study", "foreign-models", "--out", tmp_path)
    assert (found.exit_code, found.stdout) == (2, "")
    assert f"{tmp_path / name}: holds a checkpoint" in found.stderr
    save(load(tmp_path / name), tmp_path / name, {name: {"steps": 1}})
    work.refuse_others_checkpoint(tmp_path / name, name)
