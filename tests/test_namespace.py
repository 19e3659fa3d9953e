"""One import name: it loads nothing heavy, nothing of a user's is in its way, its names are few."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

import mechprobe
from mechprobe.analyses.commands.main import main
from mechprobe.models.base.lazy import deferred

SOURCES = Path(mechprobe.__file__).parents[1]
FACES = ["mechprobe", "mechprobe.models", "mechprobe.probes", "mechprobe.reports"]
HEAVY = {"torch", "transformer_lens", "numpy", "matplotlib", "pandas"}
# What the command runs: its entry point.
COMMAND = "from mechprobe.analyses.commands.main import main; main()"
# Every name in it is one that a user's own folder may have, too.
USE = """
import models, probes, reports.figures, analyses
assert models.Net.own and probes.own and reports.figures.own and analyses.own
import mechprobe
assert mechprobe.models.__name__ == "mechprobe.models"
assert issubclass(mechprobe.MechprobeError, ValueError)
print("both")
"""
# No `if __name__ == "__main__"`: as researchers write scripts.
SCRIPT = """
import models
import mechprobe
from mechprobe.analyses.commands.main import main

print("begin")
for name in ("dot", "bos"):
    mechprobe.save(mechprobe.construct(name, T=4, L=3), name)
print(mechprobe.label(mechprobe.load("dot")).mechanism, models.Net.own)
try:
    main(["label", "dot", "bos", "--run", "run", "--json"])
except SystemExit as end:
    print(end.code)
print(mechprobe.report("run"))
"""


def run(
    folder: Path, *arguments: str, path: str = "", typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Python in a folder, with warnings as errors and nothing on the path but what is said."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        input=typed,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{SOURCES}" if path else str(SOURCES)},
        check=False,
    )


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A researcher's working folder, with the names that every repository of the field uses."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "models.py").write_text("class Net:\n    own = True\n")
    (folder / "probes.py").write_text("own = True\n")
    for name in ("reports", "analyses"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("own = True\n")
    (folder / "reports" / "figures.py").write_text("own = True\n")
    (folder / "use.py").write_text(USE)
    (folder / "script.py").write_text(SCRIPT)
    return folder


@pytest.mark.parametrize(
    "code",
    ["import mechprobe", "import mechprobe.models.base.errors, mechprobe.reports", COMMAND],
    ids=["face", "packages", "help"],
)
def test_nothing_heavy_is_loaded(code: str, tmp_path: Path) -> None:
    """Neither by the face, nor by the packages behind it, nor by the command's help."""
    tell = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); sys.argv[1:] = []\n"
    done = run(tmp_path, "-c", tell + code.replace("main()", "main(['--help'])"))
    assert (done.returncode, done.stderr) == (0, "")
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "mechprobe" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("arguments", "path", "typed"),
    [
        (["-c", USE], "", None),
        (["use.py"], "", None),
        (["-m", "use"], ".", None),
        # A notebook's kernel, too, is a console in the working folder.
        (["-c", "import code; code.interact(banner='', exitmsg='')"], "", USE),
    ],
    ids=["one-line", "script", "module", "console"],
)
def test_a_users_own_names_are_in_nobodys_way(
    own: Path, arguments: list[str], path: str, typed: str | None
) -> None:
    """Both the user's modules and ours, however Python is started."""
    done = run(own, *arguments, path=path, typed=typed)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "both\n" in done.stdout


def test_a_plain_script_with_workers(own: Path) -> None:
    """Worker processes find our packages, not the user's, and do not run the script again."""
    done = run(own, "script.py", path=".")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["begin", "relation-based True"]
    assert lines[-2:] == ["0", "run/report.html"]
    assert lines.count("begin") == 1
    assert "data:image" in (own / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("face", FACES)
def test_a_face_says_what_is_there(face: str) -> None:
    """Every name resolves, is listed, and is hidden by no module of the same name."""
    package = import_module(face)
    names = deferred(face)
    assert sorted(names) == package.__all__
    assert set(names) <= set(dir(package))
    for name, (module, original) in names.items():
        if module == face:
            assert inspect.ismodule(getattr(package, name))
        else:
            assert getattr(package, name) is getattr(import_module(module), original)
            assert find_spec(f"{face}.{name}") is None, f"{face}.{name} is a module, too"


def test_an_unknown_name_is_an_ordinary_error() -> None:
    """As of any module; `from mechprobe import X` says so as well."""
    with pytest.raises(AttributeError, match="module 'mechprobe' has no attribute 'lable'"):
        _ = getattr(mechprobe, "lable")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'lable'"):
        exec("from mechprobe import lable")


def test_the_face_offers_what_a_newcomer_needs() -> None:
    """The verbs of the command are functions, too."""
    verbs = {"train", "construct", "label", "report"}
    assert verbs <= set(main.list_commands(click.Context(main))) & set(mechprobe.__all__)
    assert {"load", "save", "wrap", "probe", "find_probe", "study"} <= set(mechprobe.__all__)


def test_type_checkers_see_the_face(tmp_path: Path) -> None:
    """With mypy --strict every name is exported, and only an unknown one is an error."""
    user = tmp_path / "user.py"
    known = "".join(f"from mechprobe import {name}\n" for name in mechprobe.__all__)
    user.write_text(f"{known}import mechprobe\nmechprobe.lable\n")
    # The face alone is followed: what is behind it is checked by `make types`.
    face = str(mechprobe.__file__)
    done = run(tmp_path, "-m", "mypy", "--strict", "--follow-imports=skip", "user.py", face)
    errors = [line for line in done.stdout.splitlines() if line.startswith("user.py")]
    assert len(errors) == 1, done.stdout + done.stderr
    assert 'Module has no attribute "lable"' in errors[0]
