"""Regular files alone are read, and no more of them than was bargained for."""

import os
from pathlib import Path

import pytest

from mechprobe.models import MechprobeError
from mechprobe.models.base.files import add_line
from mechprobe.models.base.reading import opened, read_bytes, read_text
from mechprobe.models.base.resume import kept_state
from mechprobe.models.base.safe.documents import read_toml
from mechprobe.probes.runs import load_info


def test_a_file_is_read(tmp_path: Path) -> None:
    """All of it."""
    (tmp_path / "a").write_text("häh", encoding="utf-8")
    assert read_text(tmp_path / "a") == "häh"
    assert read_bytes(tmp_path / "a", most=4) == "häh".encode()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Neither by whoever reads nor by whoever writes a log."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Not a regular file"), opened(pipe):
        pass
    add_line(pipe, "nobody reads this")
    for read in (
        lambda: read_toml(pipe),
        lambda: load_info(_run_with(pipe)),
        lambda: kept_state(pipe, "x").__enter__(),
    ):
        with pytest.raises(MechprobeError, match=r"pipe|run\.json"):
            read()


def _run_with(pipe: Path) -> Path:
    run = pipe.parent / "run"
    run.mkdir()
    (run / "run.json").symlink_to(pipe)
    return run


@pytest.mark.parametrize("odd", ["/dev/zero", "."])
def test_devices_and_folders_are_refused(odd: str, tmp_path: Path) -> None:
    """They have no end, or no contents."""
    with pytest.raises(OSError, match=r"Not a regular file|Is a directory"), opened(Path(odd)):
        pass


def test_gigabytes_of_nothing_are_refused(tmp_path: Path) -> None:
    """A file may claim any length and take no room."""
    file = tmp_path / "sparse"
    file.touch()
    os.truncate(file, 2**33)
    with pytest.raises(OSError, match="Larger than 268,435,456 bytes"):
        read_bytes(file)
    with pytest.raises(OSError, match="Larger than 10 bytes"):
        read_bytes(file, most=10)
