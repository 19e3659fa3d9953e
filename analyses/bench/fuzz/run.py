"""Fuzz every reader and the command line, and say which demands were not met.

    mechprobe bench fuzz --cases 10000

Good folders of every kind are made small by the command itself; each case damages a copy (its JSON,
TOML, tables, tensors, bytes, files) or draws a command line, and runs the command in a fork with
everything imported. Demanded of each: exit code 0, 2 or 130; no traceback and no warning; no hang
above 10 s (long work shows a progress bar and can be stopped); at most 2 GiB of memory; a refusal
of printable lines that leaves every file where it was; nothing run out of a file.
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tqdm import tqdm

from mechprobe.analyses.bench.fuzz.cases import make_case
from mechprobe.analyses.bench.fuzz.children import SECONDS, run_command
from mechprobe.analyses.bench.fuzz.judge import faults_of, files_below
from mechprobe.analyses.bench.fuzz.material import Material, make_material
from mechprobe.models.base.parallel import one_thread, run_all

A_CHUNK = 20
# Where nobody judges how long a case takes, long ones are asked to stop sooner, in seconds.
SOON = 2.0


@dataclass(frozen=True)
class Chunk:
    """Cases that one process runs.

    Args:
        first: number of the first; a number is a case's seed.
        cases: how many.
        material: where the good folders are.
        timed: whether hangs are judged.
    """

    first: int
    cases: int
    material: Path
    timed: bool


@dataclass(frozen=True)
class Found:
    """A case that missed demands.

    Args:
        case: its number, and what it is in words.
        faults: by kind.
        ended: the end of what it printed on standard error.
    """

    case: str
    faults: tuple[str, ...]
    ended: str


@dataclass(frozen=True)
class Report:
    """What a chunk came to.

    Args:
        codes: how often each exit code came.
        slowest: wall time of the slowest case, in seconds.
        largest: growth of memory of the largest, in bytes.
        found: cases that missed demands.
    """

    codes: dict[int, int]
    slowest: float
    largest: int
    found: tuple[Found, ...]


def run_chunk(chunk: Chunk) -> Report:
    """Run the cases of a chunk, one after the other; the same chunk has the same cases."""
    _be_ready_to_fork()
    from mechprobe.analyses.commands.main import main

    codes: dict[int, int] = defaultdict(int)
    found: list[Found] = []
    slowest, largest = 0.0, 0
    material = Material(chunk.material)

    for number in range(chunk.first, chunk.first + chunk.cases):
        with tempfile.TemporaryDirectory(prefix="fuzz-") as root:
            case = make_case(material, Path(root) / "case" / "place", main, Random(number))
            before = files_below(case.place)
            ran = run_command(case.words, case.place, SECONDS if chunk.timed else SOON)
            faults = faults_of(case, ran, before, chunk.timed)
        codes[ran.code] += 1
        slowest, largest = max(slowest, ran.seconds), max(largest, ran.growth)
        if faults:
            found.append(Found(f"{number} {case}", tuple(faults), ran.err[-2000:]))
    return Report(dict(codes), slowest, largest, tuple(found))


def _be_ready_to_fork() -> None:
    """One thread, for a fork copies locks as they are, and others' would stay locked; and all
    imported, so that a case takes its own time only: commands import modules when called.
    """
    one_thread()
    import transformer_lens.model_bridge  # noqa: F401

    import mechprobe.analyses.commands.dynamics
    import mechprobe.analyses.commands.inspect.inspecting
    import mechprobe.analyses.commands.label.labelling
    import mechprobe.analyses.commands.report
    import mechprobe.analyses.commands.sweep
    import mechprobe.analyses.commands.theory
    import mechprobe.analyses.commands.train.training  # noqa: F401
    from mechprobe.probes import all_probes

    all_probes()


def fuzz(cases: int, first: int, timed: bool) -> list[Report]:
    """Run cases on all cores.

    Args:
        cases: how many.
        first: number of the first case.
        timed: whether hangs are judged.
    """
    _be_ready_to_fork()
    root = Path(tempfile.mkdtemp(prefix="fuzz-material-"))
    try:
        material = make_material(root / "good").root
        chunks = [
            Chunk(first + done, min(A_CHUNK, cases - done), material, timed)
            for done in range(0, cases, A_CHUNK)
        ]
        return [report for _, report in run_all(run_chunk, chunks, "fuzzing")]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def summary(reports: Sequence[Report]) -> str:
    """Numbers, and every distinct fault with how often it came and one case."""
    codes: dict[int, int] = defaultdict(int)
    kinds: dict[str, list[Found]] = defaultdict(list)
    for report in reports:
        for code, number in report.codes.items():
            codes[code] += number
        for found in report.found:
            for fault in found.faults:
                kinds[fault].append(found)
    told = ", ".join(f"{number} with {code}" for code, number in sorted(codes.items()))
    slowest = max((r.slowest for r in reports), default=0.0)
    largest = max((r.largest for r in reports), default=0)
    lines = [
        f"{sum(codes.values())} cases: exit codes {told}; slowest {slowest:.1f} s,"
        f" largest growth {largest / 2**20:.0f} MiB",
        f"distinct faults: {len(kinds)}",
    ]
    for fault, cases in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        lines += [f"- {len(cases)} times: {fault}", f"    {cases[0].case}"]
    return "\n".join(lines)


def run(cases: int, first: int, timed: bool, verbose: bool) -> int:
    """Fuzz and print; 1 where a demand was missed.

    Args:
        cases: how many.
        first: number of the first case.
        timed: whether hangs are judged.
        verbose: print what each bad case printed.
    """
    reports = fuzz(cases, first, timed)
    text = summary(reports)
    if verbose:
        bad = (found for report in reports for found in report.found)
        text += "".join(f"\n\n== {found.case}\n{found.ended}" for found in bad)
    tqdm.write(text.encode("utf-8", "backslashreplace").decode())
    return int(any(report.found for report in reports))
