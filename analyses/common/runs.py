"""Make run folders: study checkpoints in parallel, keep what is done, go on where it stopped."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

from mechprobe.analyses.common.stopping import goes_on
from mechprobe.models import HookedTransformer, MechprobeError, load, read_meta
from mechprobe.models.base.files import printable
from mechprobe.models.base.folders import names_in
from mechprobe.models.base.parallel import WorkersLostError, run_all
from mechprobe.models.checkpoints import Setting
from mechprobe.probes import ModelResult, Probe, RunInfo, all_probes, study
from mechprobe.probes.labelling import rule_version
from mechprobe.probes.runs import (
    RUN_FILE,
    drop_result,
    load_info,
    load_result,
    load_results,
    save_result,
    save_run,
)

__all__ = [
    "StudyJob",
    "begin_run",
    "is_current",
    "listed",
    "results_there",
    "run_info",
    "study_all",
    "study_checkpoint",
]

PACKAGES = ("mechprobe", "torch", "transformer-lens", "scikit-learn", "numpy", "seaborn")


@dataclass(frozen=True)
class StudyJob:
    """One checkpoint to study.

    Args:
        name: what the run calls it.
        checkpoint: its folder.
        run: the run folder its result goes to.
        seed: of the probes.
        probes: names of those to run, all where left out.
        task: settings of the model's task, as `load` takes them.
    """

    name: str
    checkpoint: Path
    run: Path
    seed: int
    probes: tuple[str, ...] | None = None
    task: tuple[tuple[str, Setting], ...] = ()


def study_checkpoint(job: StudyJob) -> ModelResult | str:
    """Study one checkpoint and store the result; one that fits and is there is kept.

    Returns:
        The result, or one line that says what is wrong with the checkpoint.
    """
    try:
        model = load(job.checkpoint, dict(job.task))
        kept = load_result(job.run, job.name)
        meta = read_meta(job.checkpoint)
        path = printable(job.checkpoint)
        known = kept is not None and (kept.path, kept.meta) == (path, meta)
        if kept is None or not known or not is_current(kept, model, job.seed, job.probes):
            kept = study(
                model, name=job.name, path=path, seed=job.seed, meta=meta, probes=job.probes
            )
            save_result(job.run, kept)
    except MechprobeError as error:
        return str(error)
    return kept


def is_current(
    kept: ModelResult,
    model: HookedTransformer,
    seed: int,
    probes: Collection[str] | None = None,
) -> bool:
    """Whether a stored result is what studying the model now would give."""
    known = all_probes()
    made = {r.probe: r.provenance for r in kept.probes}
    wanted = {n for n, p in known.items() if (probes is None or n in probes) and _applies(p, model)}
    return (
        kept.model_hash == model.fingerprint()
        and kept.label.seed == seed
        and kept.label.version == rule_version(model.task())
        and not kept.problems
        and made.keys() == wanted
        and all(
            (made[n].version, made[n].package, made[n].parameters, made[n].constants)
            == (known[n].version, known[n].package, known[n].parameters(), known[n].constants)
            for n in wanted
        )
    )


def _applies(probe: Probe, model: HookedTransformer) -> bool:
    """Whether a probe is to have a result; one whose condition fails has a problem instead."""
    try:
        return probe.why_not(model, model.task()) is None
    except MechprobeError:
        return True


def study_all(
    jobs: Sequence[StudyJob], title: str = "studying"
) -> tuple[list[ModelResult], list[str]]:
    """Study checkpoints on all cores.

    Returns:
        Results, and one line for each bad checkpoint, each whose worker died and each probe that
        failed.
    """
    found: dict[StudyJob, ModelResult | str] = {}
    lost: list[str] = []
    try:
        for job, result in run_all(study_checkpoint, jobs, title):
            found[job] = result
    except WorkersLostError as error:
        lost = [f"{problem}; the same command tries it again" for problem in error.problems]
    results = [found[job] for job in jobs if job in found]
    good = [r for r in results if isinstance(r, ModelResult)]
    problems = [r for r in results if isinstance(r, str)] + lost
    problems += [f"{r.name}: {problem}" for r in good for problem in r.problems]
    return good, problems


def run_info(title: str, command: str, seed: int, notes: Iterable[str] = ()) -> RunInfo:
    """How to make a run again, with the versions it was made with."""
    versions = {name: installed(name) for name in PACKAGES}
    return RunInfo(title=title, command=command, seed=seed, versions=versions, notes=list(notes))


def begin_run(
    folder: Path,
    info: RunInfo,
    names: Collection[str],
    ours: Callable[[str, ModelResult], bool] = lambda name, result: True,
) -> None:
    """Write run.json and drop results of an older run that this one does not have.

    What cannot be read is never replaced. Hold the folder (`folder_alone`) as long as the run
    takes.

    Args:
        folder: of the run; it need not be there.
        info: of the run.
        names: of its models.
        ours: whether a result that is there, by its name, is this run's to keep, to replace or to
            drop.

    Raises:
        MechprobeError: the folder holds something else than a run, a run of another kind, or
            results that cannot be read or are not ours; all of them are left as they are.
    """
    results = results_there(folder, info.title)
    others = [f"{n} of {r.path}" for n, r in results.items() if not ours(n, r)]
    if others:
        raise MechprobeError(
            f"{folder}: holds results of others ({listed(others)}); choose a new folder"
        )
    goes_on()
    save_run(folder, info)
    for name in results.keys() - set(names):
        drop_result(folder, name)


def results_there(folder: Path, title: str) -> dict[str, ModelResult]:
    """Results that a run has already, by name; none where there is no run yet.

    Args:
        folder: of the run.
        title: of the run.

    Raises:
        MechprobeError: the folder holds something else than a run, a run of another title, or
            what cannot be read.
    """
    if not os.path.lexists(folder / RUN_FILE) and names_in(folder):
        raise MechprobeError(f"{folder}: holds other files and no run; choose a new folder")
    try:
        info, results = load_info(folder), load_results(folder)
    except MechprobeError as error:
        raise MechprobeError(f"{error}; choose a new folder, or move it away") from None
    if info is not None and info.title != title:
        raise MechprobeError(f"{folder}: holds another run ({info.title}); choose a new folder")
    return results


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names with commas in between, and "..." where there are more."""
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)
