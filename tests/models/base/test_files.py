"""Writes are whole or do not happen."""

import errno
import os
from pathlib import Path

import pytest
import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import add_line, remove, write_text, write_whole
from mechprobe.models.base.folders import whole_folder
from mechprobe.models.base.tensor_files import open_tensors, write_tensors


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def mask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


class Interrupted(BaseException):
    """Like a KeyboardInterrupt: no Exception."""


FAILURES = [
    (OSError(errno.ENOSPC, "No space left on device"), MechprobeError),
    (RuntimeError("wrong"), RuntimeError),
    (Interrupted(), Interrupted),
]


def test_errors_are_one_line():
    assert str(MechprobeError("a\nb\r\nc")) == "a b c"
    assert isinstance(MechprobeError("x"), ValueError)


def test_a_file_is_written_with_its_parents(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "zwölf\n")
    assert path.read_bytes() == "zwölf\n".encode()
    assert names(tmp_path) == ["a", "a/b", "a/b/file.txt"]
    write_text(path, "")
    assert path.read_bytes() == b""


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_modes_are_those_of_ordinary_files_and_folders(mask, tmp_path):
    """Not those of a private temporary file; the process's mask is left as it was."""
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file", "x")
        with whole_folder(tmp_path / "folder"):
            pass
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~mask


def test_the_old_file_stands_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write(temporary: Path) -> None:
        assert temporary.parent.parent == path.parent
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")

    write_whole(path, write)
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(("failure", "wanted"), FAILURES, ids=["disk", "error", "interrupt"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_write_leaves_the_old_file(existing, failure, wanted, tmp_path):
    path = tmp_path / "file"
    if existing:
        path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise failure

    with pytest.raises(wanted) as caught:
        write_whole(path, write)
    if wanted is MechprobeError:
        assert str(caught.value) == f"{path}: cannot write (No space left on device)"
    assert names(tmp_path) == (["file"] if existing else [])
    if existing:
        assert path.read_text() == "old"


def test_a_file_cannot_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(MechprobeError, match="folder: cannot write"):
        write_text(tmp_path / "folder", "x")
    assert names(tmp_path) == ["folder"]


def test_nothing_can_be_written_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MechprobeError, match="cannot write here"):
        write_text(tmp_path / "file" / "below", "y")
    with (
        pytest.raises(MechprobeError, match="cannot write here"),
        whole_folder(tmp_path / "file" / "below"),
    ):
        pass
    with pytest.raises(MechprobeError, match="is a file"), whole_folder(tmp_path / "file"):
        pass
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "x"


def test_a_file_passes_its_permissions_on_and_is_found_through_a_link(tmp_path):
    (tmp_path / "home").mkdir()
    real, link = tmp_path / "home" / "file", tmp_path / "link"
    link.symlink_to(real)
    write_text(link, "first")
    real.chmod(0o600)
    write_text(link, "second")
    assert link.is_symlink()
    assert real.read_text() == "second"
    assert real.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["home", "home/file", "link"]


def test_only_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MechprobeError, match=r"pipe: cannot write \(not a regular file; choose"):
        write_text(tmp_path / "pipe", "x")
    assert names(tmp_path) == ["pipe"]


def test_what_is_on_the_disk_is_said_to_be(tmp_path, monkeypatch):
    """Contents before the rename, the rename before the end; an error of the disk is told."""
    steps = []
    monkeypatch.setattr(os, "fsync", lambda file: steps.append(os.readlink(f"/dev/fd/{file}")))
    path = tmp_path / "new" / "file"
    write_whole(path, lambda temporary: temporary.write_text("x"))
    assert [Path(step).name for step in steps[:1]] == [tmp_path.name]  # which holds "new" now
    assert Path(steps[1]).name == "file"
    assert Path(steps[1]).parent.parent == path.parent
    assert steps[2:] == [str(path.parent)]

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MechprobeError, match=r"file: cannot write \(No space left"):
        write_text(path, "y")
    assert path.read_text() == "x"
    assert names(tmp_path) == ["new", "new/file"]


def test_tensors_have_the_usual_permissions_and_any_name(tmp_path):
    path = tmp_path / os.fsdecode(b"not \xff text") / os.fsdecode(b"\xfe.safetensors")
    write_tensors(path, {"a": torch.arange(3.0)}, {"of": "it"})
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask()
    with open_tensors(path) as file:
        assert file.get_tensor("a").tolist() == [0, 1, 2]
        assert file.metadata() == {"of": "it"}
    assert list(path.parent.iterdir()) == [path]


def test_a_log_and_a_removal(tmp_path, monkeypatch):
    add_line(tmp_path / "log", "one")
    add_line(tmp_path / "log", "two")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    add_line(tmp_path / "none" / "log", "lost, and no work with it")
    remove(tmp_path / "log")
    remove(tmp_path / "log")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MechprobeError, match="folder: cannot be removed"):
        remove(tmp_path / "folder")
