"""Run folders: what cannot be read, or is somebody else's, is never replaced."""

import json
import os
import shutil
from pathlib import Path

import pytest

from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_checkpoint
from mechprobe.models import MechprobeError, construct, save
from mechprobe.probes import runs as probed
from mechprobe.probes.results import SCHEMA_VERSION, ModelResult
from mechprobe.probes.runs import load_results

STORED = Path(__file__).parents[2] / "data" / "run_version_1"
INFO = run_info(json.loads((STORED / "run.json").read_text())["title"], "none", 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def refused(run: Path, says: str, **more: object) -> None:
    """Begin a run in one line, and touch nothing."""
    before = contents(run)
    with pytest.raises(MechprobeError, match=says) as caught:
        begin_run(run, INFO, ["new"], **more)  # type: ignore[arg-type]
    assert "choose a new folder" in str(caught.value)
    assert contents(run) == before


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two results that earlier versions stored."""
    return shutil.copytree(STORED, tmp_path / "run")


@pytest.mark.parametrize("file", ["run.json", "results/bos-d8-p64.json", "results/theirs.json"])
@pytest.mark.parametrize("content", [b'{"scripts": {"start": "node"}}', b"[1]", b"\xff", b""])
def test_what_is_no_file_of_ours_stays(run: Path, file: str, content: bytes) -> None:
    (run / file).write_bytes(content)
    refused(run, Path(file).name)


def test_a_newer_version_s_run_stays(run: Path) -> None:
    info = json.loads((run / "run.json").read_text()) | {"schema_version": SCHEMA_VERSION + 1}
    (run / "run.json").write_text(json.dumps(info))
    refused(run, "is newer than this mechprobe reads")
    shutil.copytree(STORED / "results", run / "results", dirs_exist_ok=True)
    (run / "run.json").unlink()
    refused(run, "holds other files and no run")


def test_results_that_may_not_be_read_stay(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bytes:
        if path.name == "bos-d8-p64.json":
            raise PermissionError(13, "Permission denied")
        return path.read_bytes()

    monkeypatch.setattr(probed, "read_bytes", closed)
    refused(run, r"bos-d8-p64\.json: cannot be read .*Permission denied")


def test_results_of_others_stay(run: Path) -> None:
    refused(run, "holds results of others .bos-d8-p64 of ", ours=lambda name, _: "bos" not in name)
    begin_run(run, INFO, ["bos-d8-p64"])
    assert list(load_results(run)) == ["bos-d8-p64"]


def test_a_result_that_cannot_be_read_is_not_made_again(run: Path, tmp_path: Path) -> None:
    """Not even by a worker that meets it later."""
    save(construct("dot", T=6, L=5), tmp_path / "m")
    file = run / "results" / "m.json"
    file.write_text('{"of": "somebody"}')
    said = study_checkpoint(StudyJob("m", tmp_path / "m", run, 0))
    assert isinstance(said, str)
    assert str(file) in said
    assert file.read_text() == '{"of": "somebody"}'


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """What is written there is read there."""
    odd = tmp_path / os.fsdecode(b"not \xff text")
    save(construct("dot", T=6, L=5), odd / "m")
    begin_run(odd / "run", INFO, ["m"])
    found = study_checkpoint(StudyJob("m", odd / "m", odd / "run", 0, ()))
    assert isinstance(found, ModelResult), found
    assert load_results(odd / "run")["m"].model_hash == found.model_hash
