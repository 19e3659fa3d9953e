"""The main job: train models of every architecture, add constructions, label all, report."""

from dataclasses import dataclass
from pathlib import Path

from mechprobe.analyses.common.resume import Made, kept_or_made
from mechprobe.analyses.common.runs import StudyJob, begin_run, run_info, study_all
from mechprobe.analyses.studies.demo.students import attention_jobs, attention_notes, train_student
from mechprobe.models import (
    ARCHITECTURES,
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    Trainee,
    TrainingPlan,
    construct,
    train,
)
from mechprobe.models.base.parallel import run_all
from mechprobe.probes import ModelResult

T, L = 16, 10
# Sizes where both mechanisms occur: p = 4 leaves no room for a look-up, d = 8 none for
# orthogonal tokens, p = 64 leaves room for everything.
FULL_SIZES = ((32, 4), (8, 64), (32, 64))
QUICK_SIZES = ((16, 32),)
FULL_PLAN = TrainingPlan(steps=10_000, batch=64, lr=5e-3)
QUICK_PLAN = TrainingPlan(steps=6000, batch=64, lr=5e-3)
CONSTRUCTIONS = (
    "bos+sftm",
    "dot",
    "lin",
    "bos+sftm-circle",
    "dot-lookup",
    "dot-frame",
    "dot-relation-groups",
    "bos-blend",
)
QUICK_CONSTRUCTIONS = ("bos+sftm", "lin", "dot-lookup", "bos-blend")


@dataclass(frozen=True)
class TrainJob:
    """One model of the demo to train."""

    architecture: str
    d: int
    p: int
    seed: int
    plan: TrainingPlan
    folder: Path

    @property
    def name(self) -> str:
        """What the run calls it; also its folder."""
        return f"{self.architecture}-d{self.d}-p{self.p}".replace("+", "_")

    @property
    def checkpoint(self) -> Path:
        """Where the trained model lies."""
        return self.folder / "models" / self.name

    def meta(self) -> dict[str, object]:
        """Where the model comes from, as its checkpoint says."""
        plan = self.plan
        return {
            "origin": "trained",
            "seed": self.seed,
            "steps": plan.steps,
            "batch": plan.batch,
            "lr": plan.lr,
        }


def train_one(job: TrainJob) -> None:
    """Train a model unless its checkpoint is there; goes on where it was stopped."""

    def make(state: Path) -> Made:
        config = CountingConfig.of(job.architecture, T=T, L=L, d=job.d, p=job.p)
        (trained,) = train([Trainee(config, job.seed, job.plan)], state_path=state)
        if trained.diverged_at is not None:
            raise MechprobeError(f"training {job.name} diverged; try another --seed")
        return Made(HookedTransformer(config, trained.weights))

    kept_or_made(job.checkpoint, job.meta(), make)


def construct_one(name: str, folder: Path, seed: int) -> Path:
    """Save a construction of the demo; returns its checkpoint folder."""
    path = folder / "models" / f"built-{name}".replace("+", "_")
    meta = {"origin": "construction", "construction": name, "seed": seed}
    kept_or_made(path, meta, lambda _: Made(construct(name, T=T, L=L, seed=seed)))
    return path


def work(folder: Path, quick: bool, seed: int, command: str) -> tuple[list[ModelResult], list[str]]:
    """Train, construct, label; fills a run folder up to the report.

    Args:
        folder: the run folder; a stopped demo goes on there.
        quick: fewer and shorter runs.
        seed: of training, constructions and probes.
        command: that makes this run again.

    Returns:
        Results and problems.
    """
    sizes, plan = (QUICK_SIZES, QUICK_PLAN) if quick else (FULL_SIZES, FULL_PLAN)
    names = QUICK_CONSTRUCTIONS if quick else CONSTRUCTIONS
    jobs = [
        TrainJob(architecture, d, p, seed, plan, folder)
        for architecture in ARCHITECTURES
        for d, p in sizes
    ]
    built = [f"built-{name}".replace("+", "_") for name in names]
    notes = [
        f"Histogram task with T={T} tokens and sequences of L={L}; each trained model saw"
        f" {plan.steps} steps of {plan.batch} fresh sequences (Adam, peak rate {plan.lr:g}).",
        "Models whose name begins with 'built' are constructions with a known mechanism.",
        *attention_notes(),
    ]
    if quick:
        notes.insert(
            0,
            "This is the quick budget, for a first look; the full one has other numbers.",
        )
    students = attention_jobs(folder, quick, seed)
    info = run_info("Small attention models: the demo", command, seed, notes)
    begin_run(folder, info, [*(job.name for job in jobs), *(job.name for job in students), *built])
    weights = [job.d + job.p + 40.0 for job in jobs]
    for _ in run_all(train_one, jobs, "training", weights):
        pass
    for _ in run_all(train_student, students, "training students"):
        pass
    checkpoints = [*(job.checkpoint for job in jobs), *(job.checkpoint for job in students)]
    checkpoints += [construct_one(name, folder, seed) for name in names]
    studies = [StudyJob(path.name, path, folder, seed) for path in checkpoints]
    return study_all(studies)
