"""Run the command in a forked child, and measure what it did."""

import contextlib
import errno
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechprobe.models.base import workers
from mechprobe.models.base.workers import Work, Worker

# A case that goes on is asked to stop, as by Ctrl-C, and killed where it does not.
SECONDS, GRACE = 10.0, 10.0
BYTES = 2**31
# Of address space beyond what the parent has: a runaway meets it before the machine does.
ROOM = 8 * 2**30
KEPT = 200_000  # characters of output


@dataclass(frozen=True)
class Ran:
    """What one call of the command did.

    Args:
        code: exit code; minus the signal's number where one ended it.
        out: of standard output, its begin.
        err: of standard error, its begin.
        seconds: of wall time.
        growth: of the peak resident memory beyond the parent's, in bytes.
        stopped: whether it was asked to stop.
    """

    code: int
    out: str
    err: str
    seconds: float
    growth: int
    stopped: bool


def run_command(words: Sequence[str], cwd: Path, seconds: float = SECONDS) -> Ran:
    """Run `mechprobe WORDS` in a fork of this process, which has imported everything.

    Args:
        words: the arguments.
        cwd: the folder it runs in.
        seconds: after which it is asked to stop.
    """
    out, err = cwd.parent / "out", cwd.parent / "err"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    child = os.fork()
    if not child:
        _be_the_child(words, cwd, out, err)
    status, usage, stopped = _wait(child, seconds)
    code = os.waitstatus_to_exitcode(status)
    growth = (usage.ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    took = time.perf_counter() - start
    return Ran(code, _begin_of(out), _begin_of(err), took, growth, stopped)


def _wait(child: int, seconds: float) -> tuple[int, resource.struct_rusage, bool]:
    stopped, until = False, time.perf_counter() + seconds
    pause = 0.002
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return status, usage, stopped
        if time.perf_counter() > until:
            os.kill(child, signal.SIGKILL if stopped else signal.SIGINT)
            stopped, until = True, time.perf_counter() + GRACE
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)


def _be_the_child(words: Sequence[str], cwd: Path, out: Path, err: Path) -> None:
    code = 70
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number, path in ((1, out), (2, err)):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(cwd)
        _limit()
        code = _call(words)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 71
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _call(words: Sequence[str]) -> int:
    from mechprobe.analyses.commands.main import main

    # Other methods name their semaphores, which a child that is killed would leave behind.
    multiprocessing.set_start_method("fork", force=True)
    # Workers would import everything anew for each case.
    workers.Worker = _Here  # type: ignore[misc]
    sys.argv = ["mechprobe", *words]
    try:
        main(list(words), prog_name="mechprobe")
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code, file=sys.stderr)
        return 1
    return 0


def _limit() -> None:
    with contextlib.suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))


class _Here(Worker):
    """Does jobs where they are handed in."""

    def __init__(self, work: Work, begin: Callable[[], object]) -> None:
        self.work = work
        self.processes = []

    def submit(self, arguments: tuple[Any, ...]) -> "Future[Any]":
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(self.work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def leave(self) -> None:
        """There is nobody to leave."""

    ask_to_end = leave


def _begin_of(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as text:
            return text.read(KEPT)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return ""
