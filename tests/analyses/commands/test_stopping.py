"""Ctrl-C and SIGTERM at many moments: one line, the shell's exit code, nothing half-written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mechprobe import models
from mechprobe.analyses.commands.label import labelling
from mechprobe.analyses.common import resume, runs
from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import Ended
from mechprobe.models.base.parallel import WorkersLostError
from mechprobe.models.base.workers import Loss
from tests.analyses.shell import mechprobe

# As pip writes the command, with a signal at a moment that is the same in every run.
SCRIPT = """
import os, signal, sys
# A shell's job in the background is deaf to Ctrl-C, and so is all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
MOMENT, NUMBER = {moment!r}, {number}
class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == MOMENT:
            os.killpg(0, NUMBER)
sys.meta_path.insert(0, AtImport())
if __name__ == "__main__":
    from mechprobe.analyses.commands.main import main
    {before}
    main()
"""
AT_A_START = """
    import threading
    from mechprobe.models.base import workers
    start = workers.ForkServerProcess._Popen
    def interrupted(process):
        threading.Timer({after}, os.killpg, (0, NUMBER)).start()
        return start(process)
    workers.ForkServerProcess._Popen = staticmethod(interrupted)
"""
SWEEP = (
    "sweep", "counting", "--T", "6", "--L", "5", "--d", "4", "--p", "3,20", "--arch", "bos,lin",
    "--steps", "20000000", "--out",
)  # fmt: skip


def stopped_at(
    folder: Path, moment: str, number: int, *arguments: str | Path, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command in a session of its own, as a terminal runs it, with a signal to all of it."""
    script = folder / "mechprobe"
    script.write_text(SCRIPT.format(moment=moment, number=int(number), before=before.strip()))
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "moment", ["mechprobe.models.base.lazy", "click", "mechprobe.analyses.commands.sweep", "torch"]
)
def test_a_signal_while_the_command_starts_is_one_line(
    moment: str, number: signal.Signals, tmp_path: Path
) -> None:
    """It promises nothing: nothing was begun."""
    found = stopped_at(tmp_path, moment, number, "sweep", "status", tmp_path)
    said = "stopped" if number == signal.SIGINT else "stopped by SIGTERM"
    assert (found.returncode, found.stderr) == (128 + number, f"mechprobe: {said}\n")


@pytest.mark.parametrize("after", [0.0, 0.5, 6.0], ids=str)
def test_ctrl_c_while_workers_start_and_work_is_one_line(after: float, tmp_path: Path) -> None:
    """Workers and the server they come from say nothing, and are gone."""
    before = AT_A_START.format(after=after)
    found = stopped_at(
        tmp_path, "", signal.SIGINT, *SWEEP, tmp_path / "run", "--workers", "2", before=before
    )
    assert found.returncode == 130, found.stderr
    lines = [line for line in found.stderr.splitlines() if line and " models: " not in line]
    assert lines == ["mechprobe: stopped; the same command goes on where it was"]
    shards = tmp_path / "run" / "shards"
    assert not shards.exists() or not list(shards.glob(".*"))
    text = str(tmp_path)
    assert not [p for p in psutil.process_iter(["cmdline"]) if text in str(p.info["cmdline"])]


def test_it_promises_to_go_on_only_where_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`label` keeps nothing, with `--run` it does; handlers are as they were afterwards."""

    def asked_to_end(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    models.save(models.construct("dot", T=4, L=3), tmp_path / "m")
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(labelling, "label_model", lambda *_, **__: asked_to_end())
    found = mechprobe("label", tmp_path / "m")
    assert (found.exit_code, found.stderr) == (143, "mechprobe: stopped by SIGTERM\n")
    monkeypatch.undo()
    monkeypatch.setattr(labelling, "study_all", asked_to_end)
    found = mechprobe("label", tmp_path / "m", "--run", tmp_path / "run")
    assert found.exit_code == 143
    assert found.stderr == (
        "mechprobe: stopped by SIGTERM; the same command goes on where it was\n"
    )
    assert signal.getsignal(signal.SIGTERM) == handler


def test_a_temporary_folder_is_no_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bench methods --export` learns the truth in one, a run in a folder that stays."""

    def asked_to_end(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(resume.Piece, "read", lambda _: asked_to_end())
    found = mechprobe("bench", "methods", "--quick", "--export", tmp_path / "models")
    assert (found.exit_code, found.stderr) == (143, "mechprobe: stopped by SIGTERM\n")


@pytest.mark.parametrize("words", [["-m", "mechprobe"], ["-X", "dev", "-mmechprobe"]], ids=" ".join)
def test_the_package_holds_signals_however_it_is_started(words: list[str]) -> None:
    """From its first line on; what only imports it does not."""
    told = (
        "import atexit, signal, sys\n"
        "import mechprobe\n"
        "print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
    )
    begun = f"import sys; sys.argv = ['-m']; sys.orig_argv = ['python', *{words!r}]\n"
    for first, blocked in ((begun, "True"), ("", "False")):
        done = subprocess.run(
            [sys.executable, "-c", first + told], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == blocked


def test_a_worker_that_died_costs_label_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other models' results are there, the line names the model."""

    def one_dies(work, jobs, *_):  # type: ignore[no-untyped-def]
        yield jobs[0], work(jobs[0])
        raise WorkersLostError([(jobs[1], Loss("its worker died"))])

    for name in ("a", "b"):
        models.save(models.construct("dot", T=4, L=3), tmp_path / name)
    monkeypatch.setattr(runs, "run_all", one_dies)
    found = mechprobe("label", tmp_path / "a", tmp_path / "b", "--run", tmp_path / "run")
    assert found.exit_code == 2
    assert found.stderr == "mechprobe: b: its worker died; the same command tries it again\n"
    assert [f.stem for f in (tmp_path / "run" / "results").iterdir()] == ["a"]


def test_something_that_ended_too_early_is_no_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """click takes an EOFError for a prompt that was left."""

    def ended(*_: object) -> None:
        raise EOFError

    monkeypatch.setattr(labelling, "load", ended)
    found = mechprobe("label", tmp_path)
    assert found.exit_code == 2
    assert "ended before all of it was read" in found.stderr


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError, SystemExit])
def test_a_signal_that_others_turn_into_an_error_is_a_stop(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cluster's client may do: what it raised in place of the signal is no news."""

    def swallowed(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Ended:
            raise error from None

    monkeypatch.setattr(labelling, "load", swallowed)
    found = mechprobe("label", tmp_path)
    assert (found.exit_code, found.stderr) == (143, "mechprobe: stopped by SIGTERM\n")


def test_an_unhandled_signal_stays_unhandled() -> None:
    """What a user ignores (nohup) stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as caught:
            mechprobe_main(["--version"])
        assert caught.value.code == 0
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


HALF_MADE = """
import os, signal, sys
from mechprobe.analyses.common import stopping
from mechprobe.models.base.errors import Ended

signal.signal(signal.SIGINT, signal.default_int_handler)

class HalfMade:
    def __init__(self):
        if {stopped}:
            os.kill(os.getpid(), signal.SIGINT)
        self.made = True
    def __del__(self):
        del self.made, self.held

with stopping.listening(to_the_end=True):
    try:
        HalfMade()
    except Ended as end:
        print(stopping.last_words())
"""


@pytest.mark.parametrize("stopped", [True, False])
def test_what_a_stop_left_half_made_complains_to_nobody(stopped: bool) -> None:
    """As numba's objects do in mid compilation; without a stop it is a fault that is shown."""
    done = subprocess.run(
        [sys.executable, "-c", HALF_MADE.format(stopped=stopped)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ("stopped" in done.stdout) == stopped
    assert ("AttributeError" in done.stderr) != stopped


def mechprobe_main(arguments: list[str]) -> None:
    from mechprobe.analyses.commands.main import main

    main(arguments)


def test_lost_workers_are_an_error_of_ours() -> None:
    assert isinstance(WorkersLostError([("a", Loss("it died"))]), MechprobeError)
