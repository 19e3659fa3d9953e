"""Stop and resume: what is there with the same settings is kept, what is missing is made.

Two kinds. Trained models are checkpoints that say in their meta data how they were made; pieces are
results of jobs, a JSON file each, named for the job's settings. Either is written whole or not at
all, and one that is damaged, or of other settings, is made anew.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from mechprobe.analyses.common.stopping import goes_on
from mechprobe.models import HookedTransformer, MechprobeError, load, read_meta, save
from mechprobe.models.base.files import refuse_unreadable, remove, write_text
from mechprobe.models.base.folders import names_in
from mechprobe.models.base.parallel import run_all
from mechprobe.models.base.reading import read_bytes
from mechprobe.models.base.safe.documents import parse_json
from mechprobe.models.base.validation import fitted
from mechprobe.models.base.workplaces import make_folder

__all__ = [
    "Job",
    "Made",
    "finish",
    "found_in",
    "kept_or_made",
]

FOUND = "found"  # in the meta data: what training found out, which is no setting
FOLDER = "pieces"


@dataclass(frozen=True)
class Made:
    """A model that was made, and what was found out on the way, for the checkpoint's meta data."""

    model: HookedTransformer
    found: Mapping[str, Any] | None = None


def kept_or_made(
    checkpoint: Path, settings: Mapping[str, Any], make: Callable[[Path], Made]
) -> HookedTransformer:
    """The model of a checkpoint with these settings; made and saved where there is none.

    Args:
        checkpoint: its folder.
        settings: all that the model depends on, as JSON takes it; they become the meta data.
        make: is given the file in which training may keep its state, to go on where it stopped; it
            is removed once the model is saved.

    Raises:
        MechprobeError: the model cannot be made, or not be saved, or is there and cannot be read
            now.
    """
    # As when they are read back: tuples become lists.
    wanted: dict[str, Any] = json.loads(json.dumps(settings))
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:8]
    state = checkpoint.parent / f".{checkpoint.name}-{digest}.training.safetensors"
    model = _kept(checkpoint, wanted)
    if model is None:
        made = make(state)
        meta = wanted if made.found is None else {**wanted, FOUND: made.found}
        save(made.model, checkpoint, meta)
        model = made.model
    remove(state)  # not before the model is saved
    return model


def found_in(checkpoint: Path) -> dict[str, Any]:
    """What training found out.

    Raises:
        MechprobeError: the checkpoint does not say.
    """
    found = read_meta(checkpoint).get(FOUND)
    if not isinstance(found, dict):
        raise MechprobeError(f"{checkpoint}: not made by this study; remove it and try again")
    return found


def _kept(checkpoint: Path, wanted: Mapping[str, Any]) -> HookedTransformer | None:
    try:
        meta = read_meta(checkpoint)
        same = {name: value for name, value in meta.items() if name != FOUND} == wanted
        return load(checkpoint) if same else None
    except MechprobeError:
        refuse_unreadable(checkpoint)
        return None  # not there, or damaged


@runtime_checkable
class Job(Protocol):
    """Settings (a frozen dataclass) that know how to work and how long that takes."""

    result: ClassVar[type[Any]]

    @property
    def weight(self) -> float:
        """Relative length of the work."""
        ...

    def run(self) -> BaseModel:
        """Do it."""
        ...


AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass(frozen=True)
class Piece:
    """A job, the folder of its study, and the version of what the study's jobs compute."""

    folder: Path
    job: Job
    version: int

    @property
    def file(self) -> Path:
        """Where its result lies: the name tells its settings."""
        # repr of a frozen dataclass: class and every field.
        name = hashlib.sha256(f"{self.version} {self.job!r}".encode()).hexdigest()[:20]
        return self.folder / FOLDER / f"{type(self.job).__name__}-{name}.json"

    def read(self) -> Any | None:
        """The stored result; None where there is none, or a damaged one.

        Raises:
            MechprobeError: it is there and cannot be read now.
        """
        try:
            return fitted(self.job.result, parse_json(read_bytes(self.file), finite=False))
        except (FileNotFoundError, ValueError):  # pydantic's too
            return None
        except OSError as error:
            raise MechprobeError(f"{self.file}: cannot be read ({error.strerror})") from None


def make_piece(piece: Piece) -> None:
    """Work and store; in another process."""
    write_text(piece.file, piece.job.run().model_dump_json() + "\n")


def claim(folder: Path) -> None:
    """Make the folder one of pieces.

    Raises:
        MechprobeError: it holds something else, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise MechprobeError(f"{folder}: is a file, not a folder; choose another --out")
    if names_in(folder) and not (folder / FOLDER).is_dir():
        raise MechprobeError(f"{folder}: holds other files and no study; choose a new folder")
    try:
        make_folder(folder / FOLDER)
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot write here ({error.strerror})") from None


def finish(
    folder: Path, jobs: Sequence[AnyJob], title: str, version: int, *, lasts: bool = True
) -> dict[AnyJob, Any]:
    """Results of all jobs: found where they are, else made on all cores.

    Args:
        folder: of the study.
        jobs: equal ones are done once.
        title: of the progress bar.
        version: of what the jobs compute; pieces of another version are made anew.
        lasts: whether the folder is there for the same command when it is run again.

    Raises:
        MechprobeError: the folder holds something else, or a result cannot be stored or read.
    """
    claim(folder)
    if lasts:
        goes_on()
    pieces = {job: Piece(folder, job, version) for job in jobs}
    missing = [piece for piece in pieces.values() if piece.read() is None]
    if missing:
        # Sixty-fourths add up exactly; a bar that rounding takes past its end complains.
        weights = [max(1, round(64 * piece.job.weight)) / 64 for piece in missing]
        for _ in run_all(make_piece, missing, title, weights):
            pass
    found = {job: piece.read() for job, piece in pieces.items()}
    for job, piece in pieces.items():
        if found[job] is None:
            raise MechprobeError(f"{piece.file}: cannot be read back; remove it and try again")
    return found
