"""Shards on real local clusters: Dask with separate processes, a worker killed; Ray."""

from pathlib import Path

import psutil
import pytest

from tests.analyses.sweeps import sweeping

pytest.importorskip("distributed")
pytest.importorskip("ray")


def dask_workers(pid: int) -> list[psutil.Process]:
    """Worker processes of a local Dask cluster below a process."""
    below = psutil.Process(pid).children(recursive=True)
    return [c for c in below if "spawn_main" in " ".join(c.cmdline())]


def test_dask_survives_a_worker_killed_in_mid_shard(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Its shard goes to another worker; the result is the local engine's, byte by byte."""
    out = tmp_path / "run"
    process = sweeping.start(out, "--engine", "dask", "--workers", "2")
    sweeping.wait_for(lambda: sweeping.done(out) >= 1 or process.poll() is not None)
    assert process.poll() is None
    assert sweeping.done(out) < sweeping.SHARDS
    at_work = dask_workers(process.pid)
    assert len(at_work) == 2
    sweeping.kill(at_work[0].pid)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert sweeping.contents(out) == undisturbed


def test_ray_gives_the_same(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """A real local Ray, two workers."""
    out = tmp_path / "run"
    sweeping.finish(out, "--engine", "ray", "--workers", "2")
    assert sweeping.contents(out) == undisturbed


def test_a_cluster_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    """Exit code 2."""
    process = sweeping.start(tmp_path / "run", "--engine", "dask", "--address", "tcp://127.0.0.1:9")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "engine dask: no cluster reached at tcp://127.0.0.1:9" in errors
