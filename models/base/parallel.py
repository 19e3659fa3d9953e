"""Run independent jobs on every core, one torch thread each, with a progress bar."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import scipy.linalg.cython_blas  # noqa: F401  # numba's; what is not loaded yet is not limited
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.workers import Loss, outcomes

Job = TypeVar("Job")
Result = TypeVar("Result")


class WorkersLostError(MechprobeError):
    """Jobs whose workers died; all the others are done.

    Args:
        lost: the jobs, and what is known of each.
    """

    def __init__(self, lost: Sequence[tuple[Any, Loss]]) -> None:
        self.problems = [f"{name_of(job)}: {loss.why}" for job, loss in lost]
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        super().__init__(
            f"{self.problems[0]}{more}; the others are done, and what they stored is kept: try the"
            " same command again"
        )


def one_thread() -> None:
    """On a small machine one process a core beats many threads in one process.

    It also makes results repeatable: with two threads numpy's LAPACK rounds as the load has it.
    """
    torch.set_num_threads(1)
    threadpool_limits(limits=1, user_api="blas")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_of(job: object) -> str:
    """What a message calls a job: its name where it has one, else all that it says of itself."""
    name = getattr(job, "name", None)
    return short(name if isinstance(name, str) else repr(job))


def run_all(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    title: str,
    weights: Sequence[float] | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Job, Result]]:
    """Yield (job, result) as jobs finish, in any order.

    Args:
        work: a module-level function; it runs in another process.
        jobs: picklable arguments.
        title: of the progress bar, on standard error.
        weights: relative length of each job, for an honest estimate.
        workers: processes at a time, at least 1; as many as there are cores where left out.

    Raises:
        WorkersLostError: in the end, where workers died (out of memory, mostly); whatever the
            others found has been given before.
    """
    share = list(weights) if weights is not None else [1.0] * len(jobs)
    order = sorted(range(len(jobs)), key=lambda i: -share[i])
    lost: list[tuple[Job, Loss]] = []
    with tqdm(
        total=sum(share),
        desc=title,
        file=sys.stderr,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        mininterval=0.5,
    ) as bar:
        arguments = [(jobs[i],) for i in order]
        for place, found in outcomes(
            work, arguments, min(workers or cores(), len(jobs)), one_thread
        ):
            index = order[place]
            if isinstance(found, Loss):
                lost.append((jobs[index], found))
            else:
                yield jobs[index], found
            bar.update(share[index])
    if lost:
        raise WorkersLostError(lost)
