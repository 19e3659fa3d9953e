"""What is built is what is in the repository, and it works where the repository is not."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from shutil import copy2

import pytest

import mechprobe

ROOT = Path(__file__).parents[1]
TOPS = ("models", "probes", "reports", "analyses")  # linked from src/mechprobe
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-deps", "--no-index"]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def call(*words: str | Path, cwd: Path, **env: str) -> str:
    """Run a program that has to succeed; nothing of this process's paths reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True, text=True, cwd=cwd, env=kept | env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def repository() -> list[Path]:
    """Files that git keeps, or would: new ones that it does not ignore."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = call(*listed, cwd=ROOT).splitlines()
    return [Path(name) for name in names if (ROOT / name).exists()]


def wanted() -> set[str]:
    """What a wheel holds of ours."""
    files = [path.as_posix() for path in repository() if not (ROOT / path).is_symlink()]
    return {f"mechprobe/{name}" for name in files if PurePosixPath(name).parts[0] in TOPS} | {
        name.removeprefix("src/") for name in files if name.startswith("src/")
    }


def contents(wheel: Path) -> set[str]:
    """Files of a wheel, but for what describes it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and sdist, both built from a clean copy of the repository."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "copy"
    for path in repository():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        copy2(ROOT / path, copy / path, follow_symlinks=False)
    call(sys.executable, "-c", BUILD, folder, cwd=copy)
    call(*PIP, "wheel", *OFFLINE, "--no-build-isolation", "-w", folder, ".", cwd=copy)
    return folder


def only(folder: Path, pattern: str) -> Path:
    """The one file of a pattern."""
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_holds_every_file_and_no_other(built: Path) -> None:
    """Modules, templates, data and the typing marker; no tests."""
    found = contents(only(built, "*.whl"))
    assert found == wanted()
    assert "mechprobe/py.typed" in found
    assert any(name.endswith(".html.j2") for name in found)


def test_the_sdist_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    """It has files where the repository has links, and all that a build needs."""
    sdist = only(built, "*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() or member.isdir() for member in archive.getmembers())
        assert not any("/tests/" in name for name in archive.getnames())
    call(*PIP, "wheel", *OFFLINE, "--no-build-isolation", "-w", tmp_path, sdist, cwd=tmp_path)
    assert contents(only(tmp_path, "*.whl")) == contents(only(built, "*.whl"))


def test_an_installed_wheel_labels(built: Path, tmp_path: Path) -> None:
    """In an environment of its own, outside the repository."""
    call(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    site = only(tmp_path, "env/lib/python*/site-packages")
    # Our dependencies, from where they are: a .pth file adds a folder and not its .pth files,
    # so that an editable installation of ours there is not seen.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    wheel = only(built, "*.whl")
    call(*PIP, "--python", python, "install", *OFFLINE, "--ignore-installed", wheel, cwd=tmp_path)

    mechprobe.save(mechprobe.construct("dot", T=4, L=3), tmp_path / "dot")
    where = call(python, "-c", "import mechprobe; print(mechprobe.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(site)
    command = python.with_name("mechprobe")
    told = call(command, "label", "dot", "--json", cwd=tmp_path, PYTHONWARNINGS="error")
    (label,) = json.loads(told)
    assert label["mechanism"] == "relation-based"
