"""The demo's second part: students of a teacher attention, from several starts, and the theory."""

from dataclasses import dataclass
from pathlib import Path

import torch

from mechprobe.analyses.common.resume import Made, kept_or_made
from mechprobe.models import HookedTransformer, MechprobeError, SolvableConfig
from mechprobe.models.families.solvable import Dataset, Problems, initial, minimise, start
from mechprobe.models.theory import TheoryParameters, solve

OMEGA, ALPHA = 0.3, 2.0
WIDTH, QUICK_WIDTH = 1000, 400
THEORY_POINTS = 14


@dataclass(frozen=True)
class AttentionJob:
    """One student of the demo.

    Args:
        kind: where training starts, "semantic", "positional" or "random"; "untrained" stays there.
        d: width of the tokens.
        L, rank: tokens of a sequence, columns of student and teacher.
        seed: of teacher, data and start.
        folder: the run folder.
    """

    kind: str
    d: int
    L: int
    rank: int
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """What the run calls it; also its folder."""
        special = "" if (self.L, self.rank) == (2, 1) else f"-L{self.L}-rank{self.rank}"
        return f"attention-{self.kind}{special}"

    @property
    def checkpoint(self) -> Path:
        """Where the student lies."""
        return self.folder / "models" / self.name

    def meta(self) -> dict[str, object]:
        """Where the student comes from, as its checkpoint says."""
        origin = "untrained" if self.kind == "untrained" else "trained"
        return {"origin": origin, "start": self.kind, "alpha": ALPHA, "seed": self.seed}


def attention_jobs(folder: Path, quick: bool, seed: int) -> list[AttentionJob]:
    """The demo's students."""
    d = QUICK_WIDTH if quick else WIDTH
    jobs = [
        AttentionJob(kind, d, 2, 1, seed, folder)
        for kind in ("semantic", "positional", "random", "untrained")
    ]
    return jobs if quick else [*jobs, AttentionJob("semantic", d, 3, 2, seed, folder)]


def train_student(job: AttentionJob) -> None:
    """Minimise a student's training loss from its start, unless its checkpoint is there."""

    def make(_: Path) -> Made:
        config = SolvableConfig.of(
            d=job.d, L=job.L, omega=OMEGA, rank=job.rank, teacher_rank=job.rank
        )
        generator = torch.Generator().manual_seed(job.seed)
        weights = initial(config, generator)
        if job.kind != "untrained":
            data = Dataset.draw(config, weights, round(ALPHA * job.d), generator)
            first = start(job.kind, config, weights["Q_star"], generator)
            fit = minimise(Problems.of(config, data, [OMEGA]), first.unsqueeze(0))
            if not fit.converged.all():
                raise MechprobeError(
                    f"{job.name}: training stopped at gradient norm {fit.grad_norm.max():.1e};"
                    " try another seed"
                )
            weights["Q"] = fit.Q[0]
        return Made(HookedTransformer(config, weights))

    kept_or_made(job.checkpoint, job.meta(), make)


def attention_notes() -> list[str]:
    """What the theory says of the students, in words."""
    parameters = TheoryParameters(ALPHA, OMEGA)
    semantic, positional = (
        solve(parameters, branch, log2_points=THEORY_POINTS)
        for branch in ("semantic", "positional")
    )
    s2 = parameters.sigma**2
    return [
        f"Students of a teacher attention: alpha={ALPHA:g} samples a dimension, omega={OMEGA:g}"
        " of the target positional; trained by L-BFGS to a minimum from the start in their name.",
        f"Theory for d to infinity: the semantic minimum has theta"
        f" {semantic.theta.value / s2:.3f}, m 0 and test error {semantic.gen_error.value:.5f};"
        f" the positional one m {positional.m.value:.3f}, theta 0 and"
        f" {positional.gen_error.value:.5f} (L=2, rank 1).",
    ]
