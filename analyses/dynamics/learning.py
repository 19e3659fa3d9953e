"""The local learning coefficient of every snapshot, kept beside the results of a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from mechprobe.models import MechprobeError, load
from mechprobe.models.base.files import write_text
from mechprobe.models.base.parallel import WorkersLostError, run_all
from mechprobe.models.base.reading import read_bytes
from mechprobe.models.checkpoints import Setting
from mechprobe.probes.constants import constants_behind, digest
from mechprobe.probes.drawing import BLUE
from mechprobe.probes.followed import Curve, Followed, Panel
from mechprobe.probes.learning_coefficient import REASONS, of_model
from mechprobe.probes.snapshots import Snapshot

FOLDER = "learning"
NUMBER = "learning coefficient"  # its name among a snapshot's numbers
ERROR = "learning coefficient error"
MEASURE = "mechprobe.probes.learning_coefficient"
NOT_ESTIMATED = "not estimated"
FAILED = "the estimate failed, for a reason that is told as a problem"


class Learned(BaseModel):
    """A stored estimate: the model and the constants it is of, value and error, or why not."""

    model_config = ConfigDict(extra="forbid")

    model_hash: str
    seed: int
    constants: str
    value: float | None
    error: float | None
    chains: list[float | None]
    virial: float | None
    reason: str
    problem: str


@dataclass(frozen=True)
class LearningJob:
    """One snapshot to estimate.

    Args:
        name: of the result.
        checkpoint: its folder.
        run: where results go.
        seed: of data and noise.
        task: settings of the model's task, as `load` takes them.
    """

    name: str
    checkpoint: Path
    run: Path
    seed: int
    task: tuple[tuple[str, Setting], ...] = ()


def with_learning(followed: Followed) -> Followed:
    """The same with the coefficient's panel, columns and words."""
    curve = Curve(NUMBER, "learning coefficient λ", BLUE, band=(NUMBER, "chains"))
    panel = Panel("How many directions is it fixed in?", (curve,), limits=(0, None))
    meaning = (
        "Estimated local learning coefficient (arXiv:2308.12108), ± its standard error over chains:"
        " half the number of directions in which weights cannot move without a loss. Where there is"
        " none, its place says why."
    )
    return replace(
        followed,
        panels=(*followed.panels, panel),
        columns={**followed.columns, "λ": NUMBER, "± λ": ERROR},
        terms={**followed.terms, "λ": meaning},
        reasons={**followed.reasons, **REASONS, NOT_ESTIMATED: FAILED},
        watched={**followed.watched, "λ": NUMBER},
    )


def learned(snapshot: Snapshot, found: Learned | None) -> Snapshot:
    """A snapshot with its coefficient, or with why it has none; None: the estimate failed."""
    value, error, reason, problem, chains = None, None, NOT_ESTIMATED, FAILED, []
    if found is not None:
        value, error, reason, problem = found.value, found.error, found.reason, found.problem
        chains = [math.nan if one is None or value is None else one for one in found.chains]
    told: dict[str, JsonValue] = {
        "value": value,
        "error": error,
        "reason": reason,
        "problem": problem,
    }
    return replace(
        snapshot,
        numbers=snapshot.numbers | {NUMBER: value, ERROR: error},
        items=snapshot.items | {NUMBER: np.array(chains, dtype=np.float64)},
        why=snapshot.why | ({NUMBER: reason} if reason else {}),
        more=snapshot.more | {"learning_coefficient": told},
    )


def estimate_all(jobs: Sequence[LearningJob]) -> tuple[dict[str, Learned], list[str]]:
    """Estimates by name, and a line for each that failed or whose worker died; what is stored
    and current is not done again."""
    found: dict[str, Learned] = {}
    problems: list[str] = []
    try:
        for job, one in run_all(_estimated, jobs, "estimating learning coefficients"):
            if isinstance(one, Learned):
                found[job.name] = one
            else:
                problems.append(one)
    except WorkersLostError as error:
        problems += error.problems
    return found, problems


def _estimated(job: LearningJob) -> Learned | str:
    file = job.run / FOLDER / f"{job.name}.json"
    try:
        model = load(job.checkpoint, dict(job.task))
        wanted = (model.fingerprint(), job.seed, digest(constants_behind(MEASURE)))
        kept = _stored(file)
        if kept is not None and (kept.model_hash, kept.seed, kept.constants) == wanted:
            return kept
        one = of_model(model, model.task(), job.seed)
        # NaN is no number in JSON.
        *chains, virial = (v if math.isfinite(v) else None for v in [*one.chains, one.virial])
        made = Learned(
            model_hash=wanted[0], seed=wanted[1], constants=wanted[2],
            value=one.value, error=one.error, chains=chains, virial=virial, reason=one.reason,
            problem=one.problem,
        )  # fmt: skip
        write_text(file, made.model_dump_json() + "\n")
    except MechprobeError as error:
        return str(error)
    return made


def _stored(file: Path) -> Learned | None:
    """What is kept; None where nothing is, or what is damaged, which is made anew."""
    try:
        return Learned.model_validate_json(read_bytes(file))
    except (OSError, ValidationError, MechprobeError):
        return None
