"""Jobs in other processes: a worker that dies costs its own job, and a line that names it."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass

import pytest

from mechprobe.models import MechprobeError
from mechprobe.models.base.parallel import WorkersLostError, name_of, one_thread, run_all
from mechprobe.models.base.workers import Loss, outcomes


@dataclass(frozen=True)
class Job:
    """What a worker is to do."""

    name: str


def work(job: Job) -> str:
    """Die in the way of the name, or give it back."""
    if job.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.name == "no memory":
        raise MemoryError
    if job.name == "told to end":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if job.name == "wrong":
        raise MechprobeError("wrong: another thing is wanted")
    return job.name


def test_a_worker_that_dies_costs_its_own_job_alone() -> None:
    """The others are done; the line names the job, and what to do."""
    names = ["one", "killed", "two", "no memory", "three", "told to end", "four"]
    found: list[str] = []
    jobs = [Job(name) for name in names]
    with pytest.raises(WorkersLostError) as caught:
        found.extend(result for _, result in run_all(work, jobs, "working"))
    assert sorted(found) == ["four", "one", "three", "two"]
    assert sorted(caught.value.problems) == [
        "killed: its worker died, killed for want of memory perhaps",
        "no memory: its worker ran out of memory",
        "told to end: its worker was told to end",
    ]
    assert "(and 2 more); the others are done" in str(caught.value)
    assert not _alive()


def test_what_a_job_raises_is_raised_and_ends_the_workers() -> None:
    with pytest.raises(MechprobeError, match="wrong: another thing is wanted"):
        list(run_all(work, [Job("wrong")], "working"))
    assert not _alive()


def test_who_stops_taking_results_ends_the_workers() -> None:
    results = run_all(work, [Job("one"), Job("two"), Job("three")], "working")
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not _alive()


def test_a_job_may_cost_several_workers() -> None:
    """Each is told, and the last one is what the job comes to."""
    told: list[tuple[int, int]] = []
    jobs = [(Job("killed"),), (Job("one"),)]
    found = dict(outcomes(work, jobs, 1, one_thread, 3, lambda *loss: told.append(loss)))
    assert told == [(0, 1), (0, 2), (0, 3)]
    assert isinstance(found[0], Loss)
    assert found[1] == "one"


def test_a_job_without_a_name_is_called_what_it_is() -> None:
    assert name_of(Job("a")) == "a"
    assert name_of(3) == "3"
    assert len(name_of("x" * 1000)) <= 100


def _alive() -> list[object]:
    return [child for child in multiprocessing.active_children() if child.is_alive()]
