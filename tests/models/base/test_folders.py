"""Folders that change as a whole, and what a kill or a full disk at any step leaves of them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from mechprobe import models
from mechprobe.models.base import folders, workplaces
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.folders import (
    COMPLETE,
    folder_alone,
    names_in,
    placed,
    settle,
    whole_folder,
)
from mechprobe.models.base.locks import take
from tests.models.base.test_files import FAILURES, names


def test_a_folder_appears_whole(tmp_path):
    path = tmp_path / "a" / "folder"
    with whole_folder(path) as folder:
        (folder / "one").write_text("1")
        (folder / "sub").mkdir()
        (folder / "sub" / "two").write_text("2")
        assert not path.exists()
    assert names(tmp_path) == ["a", "a/folder", "a/folder/one", "a/folder/sub", "a/folder/sub/two"]


def test_files_of_a_folder_are_replaced_together(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "one").write_text("old")
    (path / "two").write_text("old")
    with whole_folder(path, {"one", "two"}) as folder:
        (folder / "one").write_text("new")
        (folder / "two").write_text("new")
        assert [(path / name).read_text() for name in ("one", "two")] == ["old", "old"]
    assert [(path / name).read_text() for name in ("one", "two")] == ["new", "new"]
    assert names(tmp_path) == ["folder", "folder/one", "folder/two"]


def test_other_files_are_left_alone(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "mine").write_text("old")
    for known in (set(), {"one"}):
        with (
            pytest.raises(MechprobeError, match="folder: holds other files; choose"),
            whole_folder(path, known),
        ):
            pytest.fail("begun")
    (path / "mine").unlink()

    def comes_meanwhile() -> None:
        with whole_folder(path) as folder:
            (folder / "new").write_text("new")
            (path / "mine").write_text("now")

    with pytest.raises(MechprobeError, match="holds other files"):
        comes_meanwhile()
    assert names(tmp_path) == ["folder", "folder/mine"]


def test_a_folder_that_is_there_stays(tmp_path, monkeypatch):
    """Its permissions, links to it, and whoever works in it."""
    home, link = tmp_path / "home", tmp_path / "link"
    home.mkdir(mode=0o700)
    link.symlink_to(home)
    monkeypatch.chdir(home)
    for path in (link, Path()):
        before = os.stat(home).st_ino
        with whole_folder(path, {"file"}) as folder:
            (folder / "file").write_text(str(path))
        assert Path("file").read_text() == str(path)
        assert os.stat(home).st_ino == before
    assert link.is_symlink()
    assert home.stat().st_mode & 0o777 == 0o700
    assert names(tmp_path) == ["home", "home/file", "link"]
    (home / "file").chmod(0o640)
    with whole_folder(home, {"file"}) as folder:
        (folder / "file").write_text("x")
    assert (home / "file").stat().st_mode & 0o777 == 0o640


def test_a_folder_on_its_own_file_system_is_filled(tmp_path, monkeypatch):
    """As a mount is: nothing can be renamed into it from outside, nor can it be renamed."""
    (tmp_path / "mount").mkdir()

    def only_inside(real: Callable[..., None]) -> Callable[..., None]:
        def move(old: Path, new: Path) -> None:
            if not all(tmp_path / "mount" in path.parents for path in (old, new)):
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real(old, new)

        return move

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, only_inside(getattr(os, name)))
    with whole_folder(tmp_path / "mount") as folder:
        (folder / "file").write_text("x")
    assert names(tmp_path) == ["mount", "mount/file"]


@pytest.mark.parametrize(("failure", "wanted"), FAILURES, ids=["disk", "error", "interrupt"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_folder_leaves_the_old_one(existing, failure, wanted, tmp_path):
    path = tmp_path / "folder"
    if existing:
        path.mkdir()
        (path / "old").write_text("old")
    before = names(tmp_path)

    def fill() -> None:
        with whole_folder(path, {"old", "new"}) as folder:
            (folder / "new").write_text("half")
            (folder / "old").write_text("half")
            raise failure

    with pytest.raises(wanted):
        fill()
    assert names(tmp_path) == before


@pytest.fixture
def pair(tmp_path: Path) -> tuple[models.HookedTransformer, models.HookedTransformer, Path]:
    """Two models of one shape, and a folder with the first."""
    old, new = (models.construct("dot", T=6, L=5, seed=seed) for seed in (0, 1))
    models.save(old, tmp_path / "model", {"is": "old"})
    return old, new, tmp_path / "model"


def test_a_checkpoint_whose_replacement_was_cut_short_is_the_new_one(pair, tmp_path):
    """Its files count once they are all there; the next writer moves them up."""
    old, new, path = pair
    models.save(new, tmp_path / "other", {"is": "new"})
    (tmp_path / "other").rename(path / COMPLETE)
    for moved in ([], ["config.json"]):
        for name in moved:
            (path / COMPLETE / name).replace(path / name)
        assert models.load(path).fingerprint() == new.fingerprint()
        assert models.read_meta(path) == {"is": "new"}
        assert names_in(path) == {"config.json", "model.safetensors"}
    before = names(path)
    models.load(path)
    assert names(path) == before  # who reads writes nothing
    settle(path)
    assert names(path) == ["config.json", "model.safetensors"]
    assert models.load(path).fingerprint() == new.fingerprint()
    models.save(old, path)
    assert models.load(path).fingerprint() == old.fingerprint()


def test_files_that_count_come_from_the_folder_itself(pair, tmp_path):
    """A link in place of our own folder is not followed, neither by readers nor by writers."""
    _, new, path = pair
    elsewhere = tmp_path / "elsewhere"
    models.save(new, elsewhere)
    (path / COMPLETE).symlink_to(elsewhere)
    with pytest.raises(MechprobeError, match="leads out of the folder"):
        models.load(path)
    settle(path)
    assert names(elsewhere) == ["config.json", "model.safetensors"]


# Writes in one of several ways and is killed (as by kill -9) before the k-th call that touches
# files, for every k: processes of their own, forked from one small one. Prints what can be read
# then, what after another write, and what is hidden there.
KILLED = """
import os, signal, sys
from pathlib import Path
from mechprobe.models.base.files import write_text
from mechprobe.models.base.folders import names_in, placed, settle, whole_folder

place, kind = Path(sys.argv[1]), sys.argv[2]
os.fsync = lambda file: None  # takes long, and is no matter of kills
TOUCH = ("open", "os.", "shutil.", "fcntl.")
INSIDE = ("one/data", "one/more", "two/data") if kind == "parts" else ("one", "two")

def write(path, text):
    if kind == "file":
        return write_text(path, text)
    with whole_folder(path, {"one", "two"}) as folder:
        for name in INSIDE:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

def there(path):
    if kind == "file":
        return path.read_text()
    files = [placed(path, name.split("/")[0]) / "/".join(name.split("/")[1:]) for name in INSIDE]
    return " ".join(file.read_text() for file in files if file.exists()) or "nothing"

for k in range(1, 1000):
    path = place / kind / str(k) / "model"
    if kind in ("file", "old"):
        write(path, "old")
    elif kind in ("empty", "parts"):
        path.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        left = k
        def kill(event, arguments):
            global left
            if event.startswith(TOUCH):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(kill)
        write(path, "new")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    first = there(path)
    if kind == "parts" and first != "nothing":  # which are not replaced
        settle(path)
        path = path / "one"
        write_text(path / "data", "new")
    else:
        write(path, "new")
    path = place / kind / str(k) / "model"
    hidden = [file.name for file in path.parent.rglob(".*")]
    print(f"{first}|{there(path)}|{hidden}")
    if status == 0:
        print("end")
        break
"""


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("file", "old", "new"),
        ("none", "nothing", "new new"),
        ("empty", "nothing", "new new"),
        ("old", "old old", "new new"),
        ("parts", "nothing", "new new new"),
    ],
)
def test_killed_at_any_step_the_old_or_the_new_is_there(kind, before, after, tmp_path):
    """And what the killed writer left is gone after the next write."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, kind], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, end = done.stdout.splitlines()
    assert end == "end"
    found = [line.split("|") for line in lines]
    first = [one for one, _, _ in found]
    assert set(first) == {before, after}
    assert first == sorted(first, key=[before, after].index)  # no way back
    assert {second for _, second, _ in found} == {after}
    assert len(found) > 15
    if kind != "parts":
        assert {hidden for _, _, hidden in found} == {"[]"}


def every_call_fails(monkeypatch: pytest.MonkeyPatch, k: int) -> Callable[[], bool]:
    """The k-th call that gives the disk something to hold fails; says whether it came to that."""
    calls = [0]

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            calls[0] += 1
            if calls[0] == k:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **named)

        return call

    for name in ("mkdir", "rename", "replace", "chmod"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    monkeypatch.setattr(Path, "write_text", failing(Path.write_text))
    monkeypatch.setattr("mechprobe.models.base.tensor_files.save_file", failing(save_file))
    return lambda: calls[0] >= k


@pytest.mark.parametrize("existing", [True, False])
def test_a_disk_that_is_full_at_any_step_loses_nothing(existing, tmp_path, monkeypatch):
    old, new = (models.construct("dot", T=6, L=5, seed=seed) for seed in (0, 1))
    for k in range(1, 100):
        path = tmp_path / str(k) / "model"
        if existing:
            models.save(old, path)
        with monkeypatch.context() as patch:
            failed = every_call_fails(patch, k)
            try:
                models.save(new, path)
            except MechprobeError as error:
                assert "No space left on device" in str(error)  # noqa: PT017
            if not failed():
                break
        if existing:
            assert models.load(path).fingerprint() in (old.fingerprint(), new.fingerprint())
        elif path.exists():
            assert models.load(path).fingerprint() == new.fingerprint()
        assert not list(tmp_path.rglob(f"{workplaces.OURS}*{workplaces.PLACE}"))
        models.save(new, path)
        assert models.load(path).fingerprint() == new.fingerprint()
        assert not list(tmp_path.rglob(".*"))
    assert k > 8


def test_only_places_of_the_dead_are_removed(tmp_path):
    """A living writer's is held; a file or a link of that name is none."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / ".mechprobe-1.part").symlink_to(elsewhere)
    (tmp_path / ".mechprobe-2.part").touch()
    (tmp_path / ".mechprobe-3.part").mkdir()
    with workplaces.workplace(tmp_path) as living:
        assert not (tmp_path / ".mechprobe-3.part").exists()
        workplaces.clean(tmp_path)
        assert living.is_dir()
        assert take(living / "lock") is None
    assert names(tmp_path) == [
        ".mechprobe-1.part", ".mechprobe-2.part", "elsewhere", "elsewhere/file",
    ]  # fmt: skip


def test_a_folder_is_held_by_one_command(tmp_path):
    """The other is told which; after a kill it is free, and what was made for nothing is gone."""
    path = tmp_path / "a" / "run"
    with folder_alone(path):
        code = (
            "import sys; from pathlib import Path\n"
            "from mechprobe.models.base.folders import folder_alone\n"
            "with folder_alone(Path(sys.argv[1])): sys.exit('held twice')"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
        )
        assert other.stderr.splitlines()[-1].endswith(
            f"{path}: another command (process {os.getpid()}) is at work here; wait for it to end"
            " or choose another folder"
        )
    assert names(tmp_path) == ["a"]
    path.mkdir()
    (path / folders.HELD).write_text("999999999\n")  # of a process that was killed
    with folder_alone(path):
        assert (path / folders.HELD).read_text() == f"{os.getpid()}\n"
        (path / "result").touch()
    assert names(tmp_path) == ["a", "a/run", "a/run/result"]


def test_who_holds_nothing_does_not_block(tmp_path, monkeypatch):
    """File systems without locks: work goes on, and no place is taken for a dead one's."""
    import fcntl

    def unknown(file: int, how: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unknown)
    (tmp_path / ".mechprobe-3.part").mkdir()
    with (
        folder_alone(tmp_path),
        folder_alone(tmp_path),
        whole_folder(tmp_path / "new") as folder,
    ):
        (folder / "file").touch()
    assert (tmp_path / ".mechprobe-3.part").is_dir()
    assert (tmp_path / "new" / "file").is_file()


def test_where_a_file_lies(tmp_path):
    assert placed(tmp_path, "x") == tmp_path / "x"
    (tmp_path / COMPLETE).mkdir()
    (tmp_path / COMPLETE / "x").touch()
    assert placed(tmp_path, "x") == tmp_path / COMPLETE / "x"
    assert names_in(tmp_path) == {"x"}
    assert names_in(tmp_path / "none") == set()
