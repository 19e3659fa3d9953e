"""A run folder: run.json, models/NAME/ (checkpoints), results/NAME.json, report.html."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.files import remove, write_text
from mechprobe.models.base.reading import read_bytes
from mechprobe.models.base.registry import nearest
from mechprobe.models.base.safe.documents import parse_json
from mechprobe.models.base.validation import faults_in, fitted
from mechprobe.probes.results import ModelResult, RunInfo

if TYPE_CHECKING:
    from pandas import DataFrame

RUN_FILE = "run.json"
RESULTS = "results"
Schema = TypeVar("Schema", bound=BaseModel)


class Run(NamedTuple):
    """What a run folder holds.

    Args:
        info: how to make the run again.
        results: of its models, in the order of their names.
    """

    info: RunInfo
    results: list[ModelResult]

    def to_frame(self) -> "DataFrame":
        """A row a model: its sizes, its label, and metrics as "probe.metric"."""
        from mechprobe.probes.views.frames import of_models

        return of_models(self.results)

    def model(self, name: str) -> ModelResult:
        """One model's result.

        Raises:
            MechprobeError: no such model; with the nearest name.
        """
        found = {result.name: result for result in self.results}
        if name not in found:
            raise MechprobeError(f"no model {short(repr(name))} in the run; {nearest(name, found)}")
        return found[name]

    def __repr__(self) -> str:
        return f"Run({self.info.title!r}, {len(self.results)} models)"

    def _repr_html_(self) -> str:
        from mechprobe.probes.views.showing import of_models

        return of_models(self.info.title, self.results)


def save_run(folder: str | Path, info: RunInfo) -> None:
    """Write run.json, how to make the run again.

    Args:
        folder: of the run; it is made where it is not there.
        info: of the run.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(Path(folder) / RUN_FILE, info.model_dump_json(indent=2) + "\n")


def save_result(folder: str | Path, result: ModelResult) -> None:
    """Write results/NAME.json, what was found on one model.

    Args:
        folder: of the run; it is made where it is not there.
        result: of the model.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(Path(folder) / RESULTS / f"{result.name}.json", result.model_dump_json() + "\n")


def drop_result(folder: Path, name: str) -> None:
    """Remove results/NAME.json."""
    remove(folder / RESULTS / f"{name}.json")


def load_info(folder: Path) -> RunInfo | None:
    """run.json; None where there is none.

    Raises:
        MechprobeError: it cannot be read: damaged, somebody else's, or of a newer schema.
    """
    file = folder / RUN_FILE
    return _read(file, RunInfo) if os.path.lexists(file) else None


def load_result(folder: Path, name: str) -> ModelResult | None:
    """A stored result; None where there is none.

    Raises:
        MechprobeError: it cannot be read.
    """
    file = folder / RESULTS / f"{name}.json"
    return _read(file, ModelResult) if os.path.lexists(file) else None


def load_results(folder: Path) -> dict[str, ModelResult]:
    """All stored results by name.

    Raises:
        MechprobeError: one cannot be read.
    """
    files = sorted((folder / RESULTS).glob("*.json"))
    return {file.stem: _read(file, ModelResult) for file in files}


def load_run(folder: str | Path) -> Run:
    """Read a run folder: `info, results = load_run(folder)`, or a `Run` with both.

    Raises:
        MechprobeError: no run there, no results in it, a file that does not fit the schema, or a
            run of a newer schema.
    """
    folder = Path(folder)
    info = load_info(folder)
    if info is None:
        raise MechprobeError(f"{folder}: no run here (no {RUN_FILE}); give a folder a run wrote")
    results = load_results(folder)
    if not results:
        raise MechprobeError(f"{folder}: the run has no results yet; let it finish first")
    return Run(info, list(results.values()))


def _read(file: Path, schema: type[Schema]) -> Schema:
    try:
        return fitted(schema, parse_json(read_bytes(file), finite=False))
    except ValidationError as error:
        raise MechprobeError(
            f"{file}: does not fit the result schema ({faults_in(error)})"
        ) from None
    except (OSError, ValueError) as error:
        first = str(error).split("\n")[0]
        raise MechprobeError(f"{file}: cannot be read ({first})") from None
