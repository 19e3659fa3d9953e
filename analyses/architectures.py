"""Blocks, heads, activations, positions, norms, values: does the counting mechanism change?

    python -m analyses.architectures [--out DIR] [--seeds N] [--quick] [--seed S]

Trains three counting architectures as they are and with one thing changed at a time, labels and
probes all models. DIR is a run (mechprobe report reads it) with report.html, architectures.png,
.csv and .md. A stopped run goes on with the same command. Source of the variations:
arXiv:2407.11542, appendices.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from analyses.runs import StudyJob, begin_run, columns, run_info, study_all
from analyses.varied import FULL, QUICK, Budget, Job, train_job
from models import MechprobeError
from models.files import write_text, write_whole
from models.parallel import run_all
from reports import write_report
from reports.architectures.figure import draw
from reports.architectures.rows import Comparison, row, to_csv
from reports.architectures.tables import HEAD, lines, markdown
from reports.architectures.words import answers

NAME = "architectures"
TITLE = "Architectures: does the counting mechanism change?"
PROBES = (
    "count-path", "count-by-block", "attention-sources", "attention-dependence", "count-transport",
    "remove-shared-count",
)  # fmt: skip
LARGEST = 1000  # models of a kind
DPI = 130  # of the picture


def study(
    out: Path, budget: Budget, seeds: int, seed: int, command: str
) -> tuple[Comparison, list[str]]:
    """Train and probe what is missing, and put everything together.

    Args:
        out: the run folder; checkpoints and results in it that fit are kept.
        budget: what is trained.
        seeds: models of each base and variation.
        seed: of the first of them, and of the probes.
        command: that makes this run again.

    Returns:
        The comparison, and a line for each model that diverged and each probe that failed.

    Raises:
        MechprobeError: the folder holds something else, or there is no model to compare.
    """
    jobs = [
        Job(out, base, variation, seed + i, budget)
        for base in budget.bases
        for variation in budget.variations
        for i in range(seeds)
    ]
    notes = [f"All models: {'; '.join(budget.about)}.", "Names say base, variation and seed."]
    begin_run(out, run_info(TITLE, command, seed, notes), [job.name for job in jobs])
    trained = dict(run_all(train_job, jobs, "training", [job.weight for job in jobs]))
    there = [job for job in jobs if trained[job] is None]
    studies = [StudyJob(job.name, job.checkpoint, out, seed, PROBES) for job in there]
    results, problems = study_all(studies, "probing")
    problems = [line for job in jobs if (line := trained[job]) is not None] + problems
    if not results:
        raise MechprobeError(f"{out}: there is no model to compare ({problems[0]})")
    found = Comparison(
        [row(result) for result in results],
        budget.bases,
        budget.variations,
        seeds,
        [*budget.about, f"{seeds} seed{'s' * (seeds > 1)} from {seed} on"],
    )
    # Once more, with the answer on the report, and no older result of a model that diverged now.
    info = run_info(TITLE, command, seed, [*notes, *answers(found)])
    begin_run(out, info, [result.name for result in results])
    return found, problems


def write(found: Comparison, out: Path) -> Path:
    """Write picture, rows, table and the run's report; returns the report's path.

    Raises:
        MechprobeError: the folder cannot be written.
    """
    figure = draw(found)
    write_whole(
        out / f"{NAME}.png",
        lambda p: figure.savefig(p, format="png", dpi=DPI, facecolor="white"),
    )
    write_text(out / f"{NAME}.csv", to_csv(found.rows))
    write_text(out / f"{NAME}.md", markdown(found))
    return write_report(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the shell; exit code 2 for bad input, 130 if stopped."""
    parser = argparse.ArgumentParser(description="Does the counting mechanism change?")
    parser.add_argument("--out", type=Path, default=Path(f"runs/{NAME}"))
    parser.add_argument("--seeds", type=int, help="models of each kind (3; quick 1)")
    parser.add_argument("--quick", action="store_true", help="a first look, few minutes")
    parser.add_argument("--seed", type=int, default=0, help="of the first model of each kind")
    options = parser.parse_args(arguments)
    seeds = (1 if options.quick else 3) if options.seeds is None else options.seeds
    words = ["python", "-m", f"analyses.{NAME}", "--out", str(options.out), "--seeds", str(seeds)]
    words += ["--quick"] if options.quick else []
    command = shlex.join([*words, "--seed", str(options.seed)])
    try:
        if not 1 <= seeds <= LARGEST:
            raise MechprobeError(f"--seeds {seeds}: between 1 and {LARGEST} are wanted")
        if not 0 <= options.seed < 2**31:
            raise MechprobeError(f"--seed {options.seed}: a number from 0 to 2^31 - 1 is wanted")
        budget = QUICK if options.quick else FULL
        found, problems = study(options.out, budget, seeds, options.seed, command)
        page = write(found, options.out)
    except MechprobeError as error:
        print(f"mechprobe: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mechprobe: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)
    print(columns([HEAD, *lines(found)]))
    print("\n".join(["", *answers(found), ""]))
    print(f"report: {page}")
    print(f"picture: {options.out / f'{NAME}.png'}")
    for problem in problems:
        print(f"mechprobe: problem: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
