"""Sweeps that are killed at any moment end as if nobody had disturbed them."""

import random
import time
from pathlib import Path

from tests.analyses.sweeps import sweeping


def test_killed_as_a_whole_twice(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """kill -9 at random moments; what was stored stays, and the end result is the same."""
    moments, killed, sweeps = random.Random(1), 0, 0
    while killed < 2:
        out, stored, whole = tmp_path / f"run-{sweeps}", 0, False
        sweeps += 1
        while not whole:
            before = sweeping.begun(out)
            process = sweeping.start(out, "--workers", "2")
            if killed < 2:
                sweeping.wait_for(lambda o=out, b=before: sweeping.begun(o) > b)  # type: ignore[misc]
                time.sleep(moments.uniform(0.0, 4.0))
                killed += process.poll() is None
                sweeping.kill(process.pid)
            process.communicate(timeout=300)
            whole = process.returncode == 0
            assert sweeping.done(out) >= stored
            stored = sweeping.done(out)
        assert sweeping.contents(out) == undisturbed


def test_workers_killed_eight_times(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """A killed worker takes no other with it: the sweep itself goes on to its end."""
    moments, killed, sweeps = random.Random(2), 0, 0
    while killed < 8:
        out, errors, code = tmp_path / f"run-{sweeps}", "", 1
        sweeps += 1
        while code:
            process = sweeping.start(out, "--workers", "2")
            here = 0
            while process.poll() is None and here < 7 and killed < 8:
                time.sleep(moments.uniform(0.0, 1.0))
                at_work = sweeping.workers(process) if sweeping.done(out) else []
                if at_work:
                    sweeping.kill(moments.choice(at_work).pid)
                    killed += 1
                    here += 1
            _, errors = process.communicate(timeout=300)
            code = process.returncode
            # A shard whose worker is lost three times is held to blame; then the command goes on.
            assert code == 0 or "its worker was lost 3 times" in errors
        assert sweeping.contents(out) == undisturbed
