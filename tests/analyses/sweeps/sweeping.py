"""Sweeps as users run them: a process of its own, watched, killed, compared."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

# Twelve shards of two models each, some tenths of a second long.
SMALL = (
    "--T", "6", "--L", "5", "--d", "4,20", "--p", "3,20", "--arch", "bos,dot+sftm,lin+sftm",
    "--seeds", "2", "--steps", "1500", "--batch", "16", "--snapshots", "2",
)  # fmt: skip
SHARDS, MODELS = 12, 24


def command(*arguments: str | Path) -> list[str]:
    """`mechprobe sweep ...` with this Python."""
    script = "from mechprobe.analyses.commands.main import main; main()"
    return [sys.executable, "-c", script, "sweep", *map(str, arguments)]


def start(out: Path, *more: str, grid: tuple[str, ...] = SMALL) -> subprocess.Popen[str]:
    """A sweep on its way."""
    return subprocess.Popen(
        command("counting", *grid, "--out", out, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(out: Path, *more: str, grid: tuple[str, ...] = SMALL) -> str:
    """A sweep to its end; what it printed."""
    process = start(out, *more, grid=grid)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return said


def begun(out: Path) -> int:
    """How often a sweep began there."""
    log = out / "sweep.log"
    return log.read_text(encoding="utf-8").count(" begin: ") if log.exists() else 0


def done(out: Path) -> int:
    """Shards stored."""
    return len(list((out / "shards").glob("*.safetensors")))


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Until something is so; fails where it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Processes below a sweep that compute: they have used the processor since they began."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in below if _computes(child)]


def _computes(child: psutil.Process) -> bool:
    try:
        before = child.cpu_times().user
        time.sleep(0.05)
        return child.cpu_times().user > before
    except psutil.Error:
        return False


def kill(pid: int) -> None:
    """kill -9; somebody may have been quicker."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def contents(out: Path) -> dict[str, bytes]:
    """The result of a sweep: grid, shards and table, byte by byte."""
    files = [out / "sweep.toml", out / "results.parquet", *(out / "shards").iterdir()]
    return {str(file.relative_to(out)): file.read_bytes() for file in files}
