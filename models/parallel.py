"""Run independent jobs on every core, one torch thread each, with a progress bar."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

import torch
from tqdm import tqdm

Job = TypeVar("Job")
Result = TypeVar("Result")


def one_thread() -> None:
    """On a small machine one process a core beats many threads in one process."""
    torch.set_num_threads(1)


def _begin() -> None:
    one_thread()
    # On Ctrl-C a worker unwinds, so that nothing half-written stays, and leaves without a word.
    signal.signal(signal.SIGINT, _leave)


def _leave(*_: object) -> None:
    raise SystemExit(130)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    title: str,
    weights: Sequence[float] | None = None,
) -> Iterator[tuple[Job, Result]]:
    """Yield (job, result) as jobs finish, in any order.

    Args:
        work: a module-level function; it runs in another process.
        jobs: picklable arguments.
        title: of the progress bar, on standard error.
        weights: relative length of each job, for an honest estimate.
    """
    share = list(weights) if weights is not None else [1.0] * len(jobs)
    order = sorted(range(len(jobs)), key=lambda i: -share[i])
    context = multiprocessing.get_context("forkserver")
    # The server imports the heavy packages once; workers of every later pool start from it.
    context.set_forkserver_preload([work.__module__])
    bar = tqdm(
        total=sum(share),
        desc=title,
        file=sys.stderr,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        mininterval=0.5,
    )
    workers = max(1, min(cores(), len(jobs)))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        futures = {pool.submit(work, jobs[i]): i for i in order}
        for future in as_completed(futures):
            index = futures[future]
            yield jobs[index], future.result()
            bar.update(share[index])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()
