"""Worker processes: started without noise, ended with this process, and missed when they die.

A terminal sends Ctrl-C to every process it runs. Workers do not listen to it, from their first
moment on: this process is told, and ends them. So one line is said, and not one a worker.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from mechprobe.models.base.errors import Ended

PATIENCE = 3.0  # seconds that a worker has to leave what it is at; compiled steps do not hear

Work = Callable[..., Any]


@dataclass(frozen=True)
class Loss:
    """A job that its worker did not survive.

    Args:
        why: what is known of it, such as "its worker died".
    """

    why: str


class Process(ForkServerProcess):
    """A process that leaves the script alone which asked for it, and does not hear Ctrl-C.

    Python runs a script's file again in every worker, for functions that are defined there: a
    user's few lines without `if __name__ == "__main__"` would start the whole work once more.
    """

    without_main = True

    @classmethod
    def _Popen(cls, process_obj: BaseProcess) -> Any:
        script = sys.modules["__main__"]
        if cls.without_main:
            sys.modules["__main__"] = ModuleType("__main__")
        try:
            _ensure_server()
            return ForkServerProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = script


class ProcessOfMain(Process):
    """The same for functions of the script itself."""

    without_main = False


class Worker:
    """One process that does one job at a time.

    Args:
        work: a module-level function; its module is imported once for all.
        begin: what a worker does first; a module-level function.
    """

    def __init__(self, work: Work, begin: Callable[[], object]) -> None:
        self.work = work
        self.processes: list[Process] = []
        context = _context(self.processes.append, work.__module__ == "__main__")
        # The server imports the heavy packages once; later workers start from it.
        context.set_forkserver_preload([work.__module__])
        self.pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_begun, initargs=(begin,)
        )

    def submit(self, arguments: tuple[Any, ...]) -> "Future[Any]":
        """Begin a job."""
        try:
            return self.pool.submit(self.work, *arguments)
        except (BrokenProcessPool, EOFError, ConnectionError) as error:
            # The server was killed itself; the next worker starts a new one.
            failed: Future[Any] = Future()
            failed.set_exception(BrokenProcessPool(str(error)))
            return failed

    def leave(self) -> None:
        """End the process after the job it is at."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def ask_to_end(self) -> None:
        """Have it unwind what it is at, so that nothing half-written stays."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in self.started:
            process.terminate()

    def end(self, until: float) -> None:
        """Wait for it, and end it in any case.

        Args:
            until: time, as `time.monotonic` tells it.
        """
        for process in self.started:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()

    @property
    def started(self) -> list[Process]:
        """Its processes that began; one whose start was interrupted never does."""
        return [process for process in self.processes if process.pid is not None]


def outcomes(
    work: Work,
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    begin: Callable[[], object],
    tries: int = 1,
    lost: Callable[[int, int], object] = lambda *_: None,
) -> Iterator[tuple[int, Any | Loss]]:
    """Do jobs in processes; gives the number of a job and its result, in the order they end.

    One process a worker: one that is killed takes no other with it, and the job that it was at is
    known. Whoever stops taking results ends the workers.

    Args:
        work: a module-level function.
        jobs: its arguments.
        workers: jobs at once.
        begin: what a worker does first; a module-level function.
        tries: workers that a job may cost.
        lost: is told of each that died: the job's number, and how many it has cost.

    Raises:
        Exception: what `work` raises, the others are ended then.
    """
    waiting, costs = list(reversed(range(len(jobs)))), [0] * len(jobs)
    here: dict[int, Worker] = {}
    leaving: list[Worker] = []  # that lost a job
    running: dict[Future[Any], tuple[int, int]] = {}
    whole = False
    try:
        while waiting or running:
            for i in sorted(set(range(workers)) - {i for i, _ in running.values()}):
                if waiting:
                    if i not in here:
                        here[i] = Worker(work, begin)
                    job = waiting.pop()
                    running[here[i].submit(jobs[job])] = (i, job)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                i, job = running.pop(future)
                found = _outcome(future)
                if isinstance(found, Loss):
                    leaving.append(here.pop(i))
                    leaving[-1].ask_to_end()
                    costs[job] += 1
                    lost(job, costs[job])
                    if costs[job] < tries:
                        waiting.append(job)
                        continue
                yield job, found
        whole = True
    finally:
        if whole:
            for worker in here.values():
                worker.leave()
            here.clear()
        _end([*here.values(), *leaving])


def _outcome(future: "Future[Any]") -> Any | Loss:
    try:
        return future.result()
    except BrokenProcessPool:
        return Loss("its worker died, killed for want of memory perhaps")
    except MemoryError:
        return Loss("its worker ran out of memory")
    except SystemExit:  # raised there
        return Loss("its worker was told to end")


def _end(workers: list[Worker]) -> None:
    """All of them at once, now."""
    if any(len(worker.started) < len(worker.processes) for worker in workers):
        _end_server()
    for worker in workers:
        worker.ask_to_end()
    until = time.monotonic() + PATIENCE
    for worker in workers:
        worker.end(until)


def _end_server() -> None:
    """The server imports what workers need, for seconds; nobody waits for that any more."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _context(started: Callable[[Process], object], of_main: bool) -> ForkServerContext:
    kind = ProcessOfMain if of_main else Process

    class Context(ForkServerContext):
        @staticmethod
        def Process(*args: Any, **kwargs: Any) -> Process:  # type: ignore[override]
            process = kind(*args, **kwargs)
            started(process)
            return process

    return Context()


def _ensure_server() -> None:
    """Start what makes the workers, unless it is there; neither ever hears Ctrl-C."""
    resource_tracker.ensure_running()  # it would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begun(begin: Callable[[], object]) -> None:
    """The first thing in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()
    begin()
    signal.signal(signal.SIGTERM, _leave)  # until here there is nothing to unwind


def _follow() -> None:
    """A worker whose parent was killed would wait for work for ever; it ends instead."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _leave(*_: object) -> None:
    raise Ended(128 + signal.SIGTERM)
