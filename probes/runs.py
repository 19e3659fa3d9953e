"""A run folder: run.json, models/NAME/ (checkpoints), results/NAME.json, report.html."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mechprobe.models import MechprobeError
from mechprobe.models.base.files import write_text
from mechprobe.models.base.safe.documents import parse_json
from mechprobe.models.base.validation import faults_in, fitted
from mechprobe.probes.results import ModelResult, RunInfo

RUN_FILE = "run.json"
RESULTS = "results"
Schema = TypeVar("Schema", bound=BaseModel)


def save_run(folder: Path, info: RunInfo) -> None:
    """Write run.json."""
    write_text(folder / RUN_FILE, info.model_dump_json(indent=2) + "\n")


def save_result(folder: Path, result: ModelResult) -> None:
    """Write results/NAME.json."""
    write_text(folder / RESULTS / f"{result.name}.json", result.model_dump_json() + "\n")


def title_of(folder: Path) -> str | None:
    """Title of the run in a folder; None where there is none, or none that can be read."""
    file = folder / RUN_FILE
    try:
        return _read(file, RunInfo).title if file.is_file() else None
    except MechprobeError:
        return None


def load_result(folder: Path, name: str) -> ModelResult | None:
    """A stored result, or None where there is none that fits the schema."""
    file = folder / RESULTS / f"{name}.json"
    try:
        return _read(file, ModelResult) if file.is_file() else None
    except MechprobeError:
        return None  # of an older version, or damaged: it is made again


def load_run(folder: Path) -> tuple[RunInfo, list[ModelResult]]:
    """Read a run folder, models in the order of their names.

    Raises:
        MechprobeError: no run there, no results in it, a file that does not fit the schema, or a
            run of a newer schema.
    """
    file = folder / RUN_FILE
    if not file.is_file():
        raise MechprobeError(f"{folder}: no run here (no {RUN_FILE}); give a folder a run wrote")
    info = _read(file, RunInfo)
    files = sorted((folder / RESULTS).glob("*.json"))
    if not files:
        raise MechprobeError(f"{folder}: the run has no results yet; let it finish first")
    return info, [_read(path, ModelResult) for path in files]


def _read(file: Path, schema: type[Schema]) -> Schema:
    try:
        return fitted(schema, parse_json(file.read_bytes(), finite=False))
    except ValidationError as error:
        raise MechprobeError(
            f"{file}: does not fit the result schema ({faults_in(error)})"
        ) from None
    except (OSError, ValueError) as error:
        first = str(error).split("\n")[0]
        raise MechprobeError(f"{file}: cannot be read ({first})") from None
