"""Writes are whole or do not happen."""

import errno
import os
from pathlib import Path

import pytest

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import whole_folder, write_text, write_whole


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


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
        assert temporary.parent == path.parent
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


def test_a_folder_appears_whole(tmp_path):
    path = tmp_path / "a" / "folder"
    with whole_folder(path) as folder:
        (folder / "one").write_text("1")
        (folder / "sub").mkdir()
        (folder / "sub" / "two").write_text("2")
        assert not path.exists()
    assert names(tmp_path) == ["a", "a/folder", "a/folder/one", "a/folder/sub", "a/folder/sub/two"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with whole_folder(path) as folder:
        (folder / "new").write_text("new")
        assert names(path) == ["old"]
    assert names(tmp_path) == ["folder", "folder/new"]


@pytest.mark.parametrize(("failure", "wanted"), FAILURES, ids=["disk", "error", "interrupt"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_folder_leaves_the_old_one(existing, failure, wanted, tmp_path):
    path = tmp_path / "folder"
    if existing:
        path.mkdir()
        (path / "old").write_text("old")
    before = names(tmp_path)

    def fill() -> None:
        with whole_folder(path) as folder:
            (folder / "new").write_text("half")
            raise failure

    with pytest.raises(wanted):
        fill()
    assert names(tmp_path) == before


def test_a_folder_that_cannot_move_in_gives_the_old_one_back(tmp_path, monkeypatch):
    """The old folder has already made room when the last rename fails."""
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if target == path and self.parent == tmp_path:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with (
        pytest.raises(MechprobeError, match="folder: cannot write"),
        whole_folder(path) as folder,
    ):
        (folder / "new").write_text("new")
    assert names(tmp_path) == ["folder", "folder/old"]
    assert (path / "old").read_text() == "old"
