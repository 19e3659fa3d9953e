"""`mechprobe study`: the list, a study from outside, what is unknown or broken, exit codes."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

import mechprobe.analyses.studies
from mechprobe.analyses.common import options
from mechprobe.analyses.studies import STUDIES, study
from mechprobe.models import MechprobeError
from mechprobe.models.base import registry
from tests.analyses.shell import mechprobe as shell


@pytest.fixture
def outside():
    """A study that is registered from here, as an installed package would."""
    with STUDIES.isolated():

        @study("throw-away")
        @options.out("runs/throw_away")
        @options.number("seeds", "Models.", full=7, quick=2)
        @options.quick()
        @options.seed()
        @click.option("--fault", type=click.Choice(["missed", "bad", "stopped"]))
        def throw_away(out: Path, seeds: int, quick: bool, seed: int, fault: str | None) -> int:
            """Measure nothing, for once.

            It says so.
            """
            if fault == "bad":
                raise MechprobeError(f"{out}: no good")
            if fault == "stopped":
                raise KeyboardInterrupt
            click.echo(options.command_again())
            return int(fault == "missed")

        yield


def test_every_folder_is_a_study_and_listed() -> None:
    room = Path(mechprobe.analyses.studies.__file__).parent
    folders = {path.parent.name.replace("_", "-") for path in room.glob("*/__init__.py")}
    assert set(STUDIES) == folders
    done = shell("study")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted(folders)
    assert "architectures " in done.stdout
    assert "does the counting mechanism change?  [mechprobe " in done.stdout


@pytest.mark.usefixtures("outside")
def test_a_study_from_outside_is_listed_and_runs() -> None:
    assert "throw-away " in (listed := shell("study").stdout)
    assert "Measure nothing, for once." in listed
    done = shell("study", "throw-away", "--out", "a b", "--quick")
    assert done.exit_code == 0
    assert done.stdout == ("mechprobe study throw-away --out 'a b' --seeds 2 --quick --seed 0\n")
    assert "--seeds 7" in shell("study", "throw-away").stdout
    assert "--seeds 3" in shell("study", "throw-away", "--quick", "--seeds", 3).stdout
    told = shell("study", "throw-away", "--help").stdout
    assert "It says so." in told
    assert "[default: 7; quick: 2]" in told


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        ("missed", 1, ""),
        ("bad", 2, "mechprobe: x: no good\n"),
        ("stopped", 130, "mechprobe: stopped\n"),
    ],
)
def test_exit_codes(fault: str, code: int, says: str) -> None:
    done = shell("study", "throw-away", "--out", "x", "--fault", fault)
    assert (done.exit_code, done.stderr.lstrip("\n")) == (code, says)


def test_an_unknown_study_is_a_line_with_the_nearest_name() -> None:
    done = shell("study", "architecture")
    assert done.exit_code == 2
    assert done.stderr == (
        "mechprobe: study 'architecture' is unknown; did you mean 'architectures'?\n"
    )


def test_a_broken_package_is_a_line_and_the_rest_goes_on(monkeypatch) -> None:
    broken = EntryPoint("broken", "no_such_package.at_all", "mechprobe.studies")

    def points(group: str) -> list[EntryPoint]:
        return [broken] if group == broken.group else []

    with STUDIES.isolated():
        monkeypatch.setattr(registry, "entry_points", points)
        done = shell("study")
        helped = shell("study", "demo", "--help")
    assert done.exit_code == 2
    assert done.stderr == (
        "mechprobe: package no_such_package.at_all: ModuleNotFoundError: No module named"
        " 'no_such_package'; left out\n"
    )
    assert "demo " in done.stdout
    assert helped.exit_code == 0


def test_a_name_twice_is_refused() -> None:
    with STUDIES.isolated(), pytest.raises(MechprobeError, match="registered twice"):
        study("demo")(lambda: 0)


def test_listing_imports_no_work() -> None:
    script = (
        "import sys\n"
        "import mechprobe.models.base.registry\n"
        "before = set(sys.modules)\n"
        "from mechprobe.analyses.commands.main import main\n"
        "try: main(['study'])\n"
        "except SystemExit: pass\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "new = [m for m in sorted(set(sys.modules) - before) if m.startswith('mechprobe.')]\n"
        "print('torch' in sys.modules or 'numpy' in sys.modules)\n"
        "print(' '.join(new))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    *_, heavy, last = done.stdout.splitlines()
    loaded = last.split()
    assert "mechprobe.analyses.commands.train" in loaded
    assert [name for name in loaded if name.endswith((".work", ".runs", ".resume"))] == []
    light = ("mechprobe.analyses", "mechprobe.models.base.")
    assert [name for name in loaded if not name.startswith(light)] == []
    assert heavy == "False"
