"""Run independent jobs on every core, one torch thread each, with a progress bar."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, TypeVar

import scipy.linalg.cython_blas  # noqa: F401  # numba's; what is not loaded yet is not limited
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mechprobe.models.base.errors import Ended

Job = TypeVar("Job")
Result = TypeVar("Result")


def one_thread() -> None:
    """On a small machine one process a core beats many threads in one process.

    It also makes results repeatable: with two threads numpy's LAPACK rounds as the load has it.
    """
    torch.set_num_threads(1)
    threadpool_limits(limits=1, user_api="blas")


def _begin() -> None:
    one_thread()
    # On Ctrl-C a worker unwinds, so that nothing half-written stays, and leaves without a word.
    signal.signal(signal.SIGINT, _leave)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """A worker whose parent was killed would wait for work for ever; it ends instead."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _leave(*_: object) -> None:
    raise Ended(130)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _ProcessWithoutMain(ForkServerProcess):
    """A process that leaves the script alone which asked for it.

    Python runs a script's file again in every worker, for functions that are defined there: a
    user's few lines without `if __name__ == "__main__"` would start the whole work once more.
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = script


class _WithoutMain(ForkServerContext):
    Process = _ProcessWithoutMain


def worker_pool(workers: int, work: Callable[..., object]) -> ProcessPoolExecutor:
    """Processes of one torch thread each that end with this one.

    Args:
        workers: how many.
        work: a module-level function that they will run; its module is imported once for all.
    """
    ours = work.__module__ != "__main__"
    context = _WithoutMain() if ours else multiprocessing.get_context("forkserver")
    # The server imports the heavy packages once; workers of every later pool start from it.
    context.set_forkserver_preload([work.__module__])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


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
    bar = tqdm(
        total=sum(share),
        desc=title,
        file=sys.stderr,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
        mininterval=0.5,
    )
    workers = max(1, min(cores(), len(jobs)))
    pool = worker_pool(workers, work)
    try:
        futures = {pool.submit(work, jobs[i]): i for i in order}
        for future in as_completed(futures):
            index = futures[future]
            yield jobs[index], future.result()
            bar.update(share[index])
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()
