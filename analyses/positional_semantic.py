"""Both solutions of the counting transformer with positions, before and after unfreezing.

    python -m analyses.positional_semantic [--out DIR] [--seeds N] [--free N] [--quick] [--seed S]

Trains models whose attention sees positions alone and tokens alone, frees them and trains on, and
trains free ones from scratch; labels and measures all of them. DIR is a run (mechprobe report
reads it) with positional_semantic.html, .png and .json. A stopped run goes on with the same
command. Exit code 1 where something demanded is missed. Source: arXiv:2402.03902, section 3.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from analyses.positional.plan import FULL, PUBLISHED, QUICK, RANGES, STARTS, Budget
from analyses.positional.reading import demands, read
from analyses.positional.training import Job, train_job
from analyses.runs import StudyJob, begin_run, columns, run_info, study_all
from models import MechprobeError
from models.files import write_text
from models.parallel import one_thread, run_all
from reports.positional_semantic.page import write_page, write_picture
from reports.positional_semantic.study import RESTRICTED, Study
from reports.positional_semantic.tables import everything, verdict

TITLE = "Positional and semantic counting"
NAME = "positional_semantic"
PROBES = (
    "attention-sources", "keep-source", "attention-dependence", "mean-pattern", "count-transport",
    "counting-subspace", "mutual-coherence", "remove-shared-count",
)  # fmt: skip
LARGEST = 1000  # models of a kind


def study(out: Path, budget: Budget, seeds: int, free: int, seed: int, command: str) -> Study:
    """Do what is missing and put everything together.

    Args:
        out: the run folder; checkpoints and results in it that fit are kept.
        budget: sizes and training.
        seeds: models of only_pos and of only_sem.
        free: models trained from scratch with everything free.
        seed: of the first model of each kind, and of the probes.
        command: that makes this study again.

    Raises:
        MechprobeError: the folder holds something else, training diverges, or a model cannot be
            measured.
    """
    numbers = {start: seeds if start in RESTRICTED else free for start in STARTS}
    jobs = [Job(out, start, seed + i, budget) for start in STARTS for i in range(numbers[start])]
    stages = [(job, name, freed) for job in jobs for name, freed in job.stages]
    info = run_info(TITLE, command, seed)
    begin_run(out, info, [name for _, name, _ in stages])
    for _ in run_all(train_job, jobs, "training", [job.weight for job in jobs]):
        pass
    wanted = [StudyJob(name, job.checkpoint(name), out, seed, PROBES) for job, name, _ in stages]
    results, problems = study_all(wanted, "probing")
    if len(results) < len(wanted):
        raise MechprobeError(f"{out}: a model could not be measured ({problems[0]})")
    one_thread()
    models = [
        read(job, name, freed, result)
        for (job, name, freed), result in zip(stages, results, strict=True)
    ]
    return Study(
        title=TITLE,
        command=command,
        seed=seed,
        versions=info.versions,
        quick=budget.quick,
        budget=budget.settings(seeds, free),
        examples=budget.examples,
        models=models,
        published=PUBLISHED,
        ranges=RANGES,
        demands=demands(models, budget),
        problems=problems,
    )


def summary(result: Study) -> str:
    """Every model, and what was asked, as text for a terminal."""
    table = everything(result)
    lines = [columns([table.head, *table.rows])]
    lines += [f"{verdict(one)}: {one.name}: {one.found}" for one in result.demands]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the shell; exit code 1 where a demand is missed, 2 for bad input, 130 if stopped."""
    parser = argparse.ArgumentParser(description="Positional and semantic counting on one page.")
    parser.add_argument("--out", type=Path, default=Path("runs/positional_semantic"))
    parser.add_argument("--seeds", type=int, help="models of only_pos and of only_sem (5; quick 2)")
    parser.add_argument("--free", type=int, help="models trained free from scratch (5; quick 2)")
    parser.add_argument("--quick", action="store_true", help="a first look, few minutes")
    parser.add_argument("--seed", type=int, default=0, help="of the first model of each kind")
    options = parser.parse_args(arguments)
    usual = 2 if options.quick else 5
    seeds = usual if options.seeds is None else options.seeds
    free = usual if options.free is None else options.free
    words = ["python", "-m", "analyses.positional_semantic", "--out", str(options.out)]
    words += ["--seeds", str(seeds), "--free", str(free)]
    words += ["--quick"] if options.quick else []
    command = shlex.join([*words, "--seed", str(options.seed)])
    try:
        for name, number, least in (("--seeds", seeds, 1), ("--free", free, 0)):
            if not least <= number <= LARGEST:
                raise MechprobeError(f"{name} {number}: between {least} and {LARGEST} are wanted")
        if not 0 <= options.seed < 2**31:
            raise MechprobeError(f"--seed {options.seed}: a number from 0 to 2^31 - 1 is wanted")
        budget = QUICK if options.quick else FULL
        result = study(options.out, budget, seeds, free, options.seed, command)
        write_text(options.out / f"{NAME}.json", result.model_dump_json() + "\n")
        page = write_page(result, options.out / f"{NAME}.html")
        write_picture(result, options.out / f"{NAME}.png")
    except MechprobeError as error:
        print(f"mechprobe: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mechprobe: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)
    print(summary(result))
    print(f"page: {page}")
    missed = [demand for demand in result.demands if demand.met is False]
    for demand in missed:
        print(f"mechprobe: missed: {demand.name}: {demand.found}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
