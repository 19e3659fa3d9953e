"""Measured speed of training, against a plain loop and against the core's own limit.

    mechprobe bench training [--peer DIR]

T=32, L=10, d=p=32, the published settings; model-steps per second, the drawing of data counted on
every side. Each side has a process of one thread to itself; they take turns, so that whatever else
the machine does meets all of them. Exit code 1 where a demanded ratio is missed.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from mechprobe.analyses.bench.peers.plain import BATCH, EPOCH, plain_trainer
from mechprobe.analyses.bench.peers.published import peer_trainer, script_in
from mechprobe.analyses.bench.speed import best_of
from mechprobe.models import ARCHITECTURES, PRESETS, CountingConfig, Trainee, train
from mechprobe.models.base.parallel import cores, one_thread
from mechprobe.models.families.counting.training.cost import step_flops

DEMANDED = {"lin": 15.0, "lin+sftm": 15.0}  # times the plain loop; of all others:
DEMANDED_ELSE = 30.0
ROUNDS, STEPS = 7, 4000
PEAK_SIZE = 512
PUBLISHED = PRESETS["published"]


@dataclass(frozen=True)
class Speeds:
    """Model-steps per second of every side, a number a round.

    Args:
        kind: architecture.
        ours: the trainer of this package.
        others: by name, those it is compared with.
    """

    kind: str
    ours: list[float]
    others: dict[str, list[float]] = field(default_factory=dict)

    def ratios(self, other: str) -> list[float]:
        """How many times faster, round by round."""
        return [a / b for a, b in zip(self.ours, self.others[other], strict=True)]

    def demanded(self) -> float:
        """Least ratio to the plain loop."""
        return DEMANDED.get(self.kind, DEMANDED_ELSE)

    def met(self) -> bool:
        """Whether the median ratio to the plain loop is at least what is demanded."""
        return median(self.ratios("plain")) >= self.demanded()


def ratio_table(found: Sequence[Speeds]) -> str:
    """A line for each architecture and side: speeds, median ratio and its range.

    The ratio of the best speeds is what other work on the machine disturbs least.
    """
    lines = [
        f"{'model-steps/s':14s} {'ours':>8s}   against {'':5s} {'speed':>8s}"
        f" {'ratio':>7s}  {'range':13s} {'of best':>7s}  demanded"
    ]
    for one in found:
        for name, speeds in one.others.items():
            ratios = one.ratios(name)
            spread = f"{min(ratios):.1f}-{max(ratios):.1f}"
            best = max(one.ours) / max(speeds)
            verdict = ""
            if name == "plain":
                verdict = f">= {one.demanded():g} {'met' if one.met() else 'MISSED'}"
            lines.append(
                f"{one.kind:14s} {median(one.ours):8.0f}   {name:13s} {median(speeds):8.0f}"
                f" {median(ratios):7.1f}  {spread:13s} {best:7.1f}  {verdict}".rstrip()
            )
    return "\n".join(lines)


def flops_table(found: Sequence[Speeds], peak: float) -> str:
    """Arithmetic per second of the products of our steps, and its share of the measured peak."""
    lines = [f"matmul peak of a core, float32, {PEAK_SIZE} x {PEAK_SIZE}: {peak / 1e9:.1f} GFLOP/s"]
    for one in found:
        rate = median(one.ours) * step_flops(setting(one.kind), BATCH)
        lines.append(f"{one.kind:14s} {rate / 1e9:8.1f} GFLOP/s {rate / peak:6.0%} of the peak")
    return "\n".join(lines)


def cores_table(found: dict[int, float]) -> str:
    """Throughput of so many processes at once, and how many times that of one."""
    lines = ["processes  model-steps/s  times one"]
    lines += [f"{n:9d} {speed:14.0f} {speed / found[1]:10.2f}" for n, speed in found.items()]
    return "\n".join(lines)


def setting(kind: str) -> CountingConfig:
    """The size at which speeds are compared."""
    return CountingConfig.of(kind, T=32, L=10, d=32, p=32)


def _alone() -> None:
    one_thread()
    threadpool_limits(limits=1)


class Side:
    """A process of one thread, in which one side's work is timed."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_alone)

    def run(self, work: Callable[..., float], *given: object) -> float:
        """What a module-level function finds there."""
        return self._pool.submit(work, *given).result()

    def begin(self, work: Callable[..., float], *given: object) -> Callable[[], float]:
        """Start it; the result is waited for when asked."""
        return self._pool.submit(work, *given).result

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def our_speed(kind: str, seed: int, steps: int) -> float:
    """Model-steps per second of the published setting; its rate is constant, so fewer will do."""
    return _speed(
        partial(train, [Trainee(setting(kind), seed, replace(PUBLISHED, steps=steps))]), steps
    )


def plain_speed(kind: str, seed: int, n: int = EPOCH) -> float:
    """Of an epoch of the plain loop."""
    return _speed(_kept(plain_trainer, setting(kind), seed, n), -(-n // BATCH))


def peer_speed(folder: Path, kind: str, seed: int, n: int = EPOCH) -> float:
    """Of an epoch of the published script, its test at the end of each epoch included."""
    return _speed(_kept(peer_trainer, folder, setting(kind), seed, n), -(-n // BATCH))


def matmul_peak() -> float:
    """Best arithmetic per second of a product of two square matrices on one thread."""
    a, b = (np.random.default_rng(i).random((PEAK_SIZE,) * 2, dtype=np.float32) for i in (0, 1))
    out = np.empty_like(a)
    with threadpool_limits(limits=1, user_api="blas"):
        return 2 * PEAK_SIZE**3 / best_of(partial(np.dot, a, b, out), 200)


@cache
def _kept(make: Callable[..., Callable[[], object]], *given: object) -> Callable[[], object]:
    """A trainer of this process: made once, then trained on."""
    return make(*given)


def _speed(work: Callable[[], object], steps: int) -> float:
    start = time.perf_counter()
    work()
    return steps / (time.perf_counter() - start)


def compare(kinds: Sequence[str], peer: Path | None, seed: int) -> tuple[list[Speeds], float]:
    """Every architecture in turns, round by round, and the peak of a core in the same run."""
    names = ["plain", *(["published"] if peer else [])]
    found = {kind: Speeds(kind, [], {name: [] for name in names}) for kind in kinds}
    peaks = []
    with ExitStack() as stack:
        ours, plain, other = (stack.enter_context(closing(Side())) for _ in range(3))
        for kind in kinds:  # once uncounted: compiled code, caches
            ours.run(our_speed, kind, seed, 200)
            plain.run(plain_speed, kind, seed, EPOCH)
        for number in range(ROUNDS):
            for kind, one in found.items():
                one.others["plain"].append(plain.run(plain_speed, kind, seed, EPOCH))
                one.ours.append(ours.run(our_speed, kind, seed + number, STEPS))
                if peer is not None:
                    speed = other.run(peer_speed, peer, kind, seed, EPOCH)
                    one.others["published"].append(speed)
            peaks.append(ours.run(matmul_peak))
    return list(found.values()), max(peaks)


def over_cores(kind: str, seed: int) -> dict[int, float]:
    """Model-steps per second of 1, 2, 4, ... processes at once, up to the number of cores."""
    numbers = sorted({*(2**i for i in range(cores().bit_length())), cores()})
    found = dict.fromkeys(numbers, 0.0)
    with ExitStack() as stack:
        sides = [stack.enter_context(closing(Side())) for _ in range(numbers[-1])]
        for side in sides:
            side.run(our_speed, kind, seed, 200)
        for number in numbers * 3:  # the best of three: other work on the machine only slows
            start = time.perf_counter()
            waiting = [side.begin(our_speed, kind, seed, 4 * STEPS) for side in sides[:number]]
            for wait in waiting:
                wait()
            speed = number * 4 * STEPS / (time.perf_counter() - start)
            found[number] = max(found[number], speed)
    return found


def run(peer: Path | None, seed: int) -> int:
    """Print the tables; 1 where a demanded ratio is missed.

    Args:
        peer: checkout of the published code, to be timed as well.
        seed: of the models.

    Raises:
        MechprobeError: the checkout does not hold the published script.
    """
    if peer is not None:
        script_in(peer)
    found, peak = compare(ARCHITECTURES, peer, seed)
    print(ratio_table(found), flops_table(found, peak), sep="\n\n", flush=True)
    print(f"\n{cores_table(over_cores('bos+sftm', seed))}")
    return 0 if all(one.met() for one in found) else 1
