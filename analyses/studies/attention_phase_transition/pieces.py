"""Pieces of a long study: each is made once, stored whole, and found again by what it is.

A stopped study goes on with the pieces that are missing; a piece with other settings, or made
by another version of this code, is another piece.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import write_text
from mechprobe.models.base.parallel import run_all

VERSION = 1  # of what the jobs compute
FOLDER = "pieces"


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
    """A job and the folder of its study."""

    folder: Path
    job: Job

    @property
    def file(self) -> Path:
        """Where its result lies: the name tells its settings."""
        # repr of a frozen dataclass: class and every field.
        name = hashlib.sha256(f"{VERSION} {self.job!r}".encode()).hexdigest()[:20]
        return self.folder / FOLDER / f"{type(self.job).__name__}-{name}.json"


def load(piece: Piece) -> Any | None:
    """The stored result; None where there is none, or a damaged one."""
    try:
        return piece.job.result.model_validate_json(piece.file.read_bytes())
    except (OSError, ValidationError):
        return None


def make(piece: Piece) -> None:
    """Work and store; in another process."""
    write_text(piece.file, piece.job.run().model_dump_json() + "\n")


def claim(folder: Path) -> None:
    """Make the folder a study's.

    Raises:
        MechprobeError: it holds something else, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise MechprobeError(f"{folder}: is a file, a folder is wanted; choose another --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FOLDER).is_dir():
        raise MechprobeError(f"{folder}: holds other files and no study; choose a new folder")
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MechprobeError(f"{folder}: cannot write here ({error.strerror})") from None


def finish(folder: Path, jobs: Sequence[AnyJob], title: str) -> dict[AnyJob, Any]:
    """Results of all jobs: found where they are, else made on all cores.

    Args:
        folder: of the study.
        jobs: equal ones are done once.
        title: of the progress bar.

    Raises:
        MechprobeError: a result cannot be stored or read.
    """
    pieces = {job: Piece(folder, job) for job in jobs}
    missing = [piece for piece in pieces.values() if load(piece) is None]
    if missing:
        # Sixty-fourths add up exactly; a bar that rounding takes past its end complains.
        weights = [max(1, round(64 * piece.job.weight)) / 64 for piece in missing]
        for _ in run_all(make, missing, title, weights):
            pass
    found = {job: load(piece) for job, piece in pieces.items()}
    for job, piece in pieces.items():
        if found[job] is None:
            raise MechprobeError(f"{piece.file}: cannot be read back; remove it and try again")
    return found
