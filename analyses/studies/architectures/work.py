"""Train and probe every variation, compare, write."""

from pathlib import Path

from mechprobe.analyses.common.console import say, tell
from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.common.text import columns
from mechprobe.analyses.studies.architectures.figure import draw
from mechprobe.analyses.studies.architectures.plan import FULL, QUICK, Budget, Job, train_job
from mechprobe.analyses.studies.architectures.rows import Comparison, row, to_csv
from mechprobe.analyses.studies.architectures.tables import HEAD, lines, markdown
from mechprobe.analyses.studies.architectures.words import answers
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.parallel import run_all
from mechprobe.reports import write_report

NAME = "architectures"
TITLE = "Architectures: does the counting mechanism change?"
PROBES = (
    "count-path", "count-by-block", "attention-sources", "attention-dependence", "count-transport",
    "remove-shared-count",
)  # fmt: skip
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
    if budget is QUICK:
        notes.insert(
            0,
            "This is the quick budget, for a first look; the full one has other numbers.",
        )
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


def run(out: Path, quick: bool, seeds: int, seed: int, command: str) -> int:
    """Do the study, write its files, print table and answer.

    Args:
        out: the run folder.
        quick: the small budget.
        seeds: models of each base and variation.
        seed: of the first of them, and of the probes.
        command: that makes this run again.

    Returns:
        The exit code.

    Raises:
        MechprobeError: the folder holds something else, or there is no model to compare.
    """
    found, problems = study(out, QUICK if quick else FULL, seeds, seed, command)
    page = write(found, out)
    tell(columns([HEAD, *lines(found)]))
    tell("\n".join(["", *answers(found), ""]))
    tell(f"report: {page}")
    tell(f"picture: {out / f'{NAME}.png'}")
    for problem in problems:
        say(f"problem: {problem}")
    return 0
