"""Bad checkpoints of every format, loaded one by one: what each costs, and whether it is refused.

    mechprobe bench hostile

Writes 200 into a temporary folder, loads each in a process of its own that has imported
everything, and prints the slowest and the largest. Demanded of each: a `MechprobeError` of one
printable line of at most 1,000 characters that names the path, within a second and 1 GiB, without
warnings, and nothing run.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from tqdm import tqdm

from mechprobe.analyses.bench.hostile import Case, make_cases
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import printable

SECONDS, BYTES, CHARACTERS = 1.0, 2**30, 1000
# A load that takes longer is ended.
PATIENCE = 60.0


@dataclass(frozen=True)
class Outcome:
    """What loading one checkpoint came to.

    Args:
        name: of the case.
        message: the refusal; what went wrong where there was none.
        faults: demands that were not met, apart from the time.
        seconds: wall time of the load.
        growth: of the peak resident memory, in bytes.
    """

    name: str
    message: str
    faults: tuple[str, ...]
    seconds: float
    growth: int

    @property
    def in_time(self) -> bool:
        """Whether it took a second at most."""
        return self.seconds <= SECONDS


def measure(cases: Sequence[Case]) -> list[Outcome]:
    """Load each checkpoint in a process of its own, one after the other."""
    context = multiprocessing.get_context("forkserver")
    # Imported once, by the server; what is measured is the load alone.
    context.set_forkserver_preload([__name__, "mechprobe.models", "transformer_lens.model_bridge"])
    outcomes = []
    for case in tqdm(cases, desc="loading", leave=False, mininterval=0.5):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_load, args=(case, sender))
        process.start()
        sender.close()
        try:
            outcomes.append(
                receiver.recv()
                if receiver.poll(PATIENCE)
                else Outcome(case.name, "", ("did not end",), PATIENCE, 0)
            )
        except EOFError:
            outcomes.append(Outcome(case.name, "", ("the process died",), 0.0, 0))
        process.kill()
        process.join()
    return outcomes


def judged(case: Case, load: Callable[[Path], object]) -> tuple[str, tuple[str, ...]]:
    """Load a bad checkpoint: the refusal, and which demands on it are not met."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            load(case.folder)
    except MechprobeError as error:
        message = str(error)
        faults = {
            "more than one line": len(message.splitlines()) != 1,
            "not printable": not message.isprintable(),
            "too long": len(message) > CHARACTERS,
            "the path is not named": str(case.folder) not in message,
            "a reader failed": "the reader of the format" in message,
        }
    except BaseException as error:  # whatever it is, it is a fault
        message = f"{type(error).__name__}: {error}"
        faults = {"another exception": True}
    else:
        message, faults = "", {"loaded": True}
    faults["a warning"] = bool(told)
    faults["code was run"] = case.crater.exists()
    return message, tuple(fault for fault, found in faults.items() if found)


def _load(case: Case, sender: Connection) -> None:
    from mechprobe.models import load

    torch.set_num_threads(1)
    before, start = _peak(), time.perf_counter()
    message, faults = judged(case, load)
    seconds, growth = time.perf_counter() - start, _peak() - before
    if growth > BYTES:
        faults = (*faults, "more than 1 GiB")
    sender.send(Outcome(case.name, message, faults, seconds, growth))


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def summary(outcomes: Sequence[Outcome]) -> str:
    """The slowest, the largest, and whatever missed a demand."""
    slowest = sorted(outcomes, key=lambda o: -o.seconds)[:5]
    largest = sorted(outcomes, key=lambda o: -o.growth)[:5]
    missed = [o for o in outcomes if o.faults or not o.in_time]
    lines = [f"{len(outcomes)} bad checkpoints, {len(missed)} missed a demand", "slowest:"]
    lines += [f"  {o.seconds:8.4f} s    {o.name}" for o in slowest]
    lines += ["largest growth of memory:"]
    lines += [f"  {o.growth / 2**20:8.2f} MiB  {o.name}" for o in largest]
    for o in missed:
        faults = (*o.faults, *(() if o.in_time else (f"{o.seconds:.2f} s",)))
        lines.append(f"missed: {o.name}: {', '.join(faults)} ({o.message[:200]})")
    return "\n".join(lines)


def run(number: int, seed: int) -> int:
    """Write bad checkpoints, load them and print; 1 where a demand is missed.

    Args:
        number: of checkpoints.
        seed: of the faults.
    """
    with tempfile.TemporaryDirectory() as root:
        outcomes = measure(make_cases(Path(root), number, seed))
    print(printable(summary(outcomes)))
    return int(any(o.faults or not o.in_time for o in outcomes))
