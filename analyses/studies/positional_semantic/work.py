"""Train, free, label and measure all models, and put what is found together."""

from pathlib import Path

from mechprobe.analyses.common.console import say, tell
from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.common.text import columns
from mechprobe.analyses.studies.positional_semantic.contents import RESTRICTED, PositionalSemantic
from mechprobe.analyses.studies.positional_semantic.page import write_page, write_picture
from mechprobe.analyses.studies.positional_semantic.plan import (
    FULL,
    PAPER,
    PUBLISHED,
    QUICK,
    RANGES,
    STARTS,
    Budget,
)
from mechprobe.analyses.studies.positional_semantic.reading import demands, read
from mechprobe.analyses.studies.positional_semantic.tables import everything, verdict
from mechprobe.analyses.studies.positional_semantic.training import Job, train_job
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import write_text
from mechprobe.models.base.parallel import one_thread, run_all

TITLE = "Positional and semantic counting"
NAME = "positional_semantic"
PROBES = (
    "attention-sources", "keep-source", "attention-dependence", "mean-pattern", "count-transport",
    "counting-subspace", "mutual-coherence", "remove-shared-count",
)  # fmt: skip


def study(
    out: Path, budget: Budget, seeds: int, free: int, seed: int, command: str
) -> PositionalSemantic:
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
    return PositionalSemantic(
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


def summary(result: PositionalSemantic) -> str:
    """Every model, and what was asked, as text for a terminal."""
    table = everything(result)
    lines = [columns([table.head, *table.rows])]
    lines += [f"{verdict(one)}: {one.name}: {one.found}" for one in result.demands]
    return "\n".join(lines)


def run(
    out: Path, quick: bool, published: bool, seeds: int, free: int, seed: int, command: str
) -> int:
    """Do the study, write page and picture, print a summary.

    Args:
        quick, published: the budget, the usual one where both are false.
        out, seeds, free, seed, command: as of `study`.

    Returns:
        The exit code, 1 where a demand is missed.

    Raises:
        MechprobeError: the folder holds something else, training diverges, or a model cannot be
            measured.
    """
    budget = PAPER if published else QUICK if quick else FULL
    result = study(out, budget, seeds, free, seed, command)
    write_text(out / f"{NAME}.json", result.model_dump_json() + "\n")
    page = write_page(result, out / f"{NAME}.html")
    write_picture(result, out / f"{NAME}.png")
    tell(summary(result))
    tell(f"page: {page}")
    missed = [demand for demand in result.demands if demand.met is False]
    for demand in missed:
        say(f"missed: {demand.name}: {demand.found}")
    return 1 if missed else 0
