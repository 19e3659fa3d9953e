"""Labels as text, JSON and tables, on the terminal and in files, for `mechprobe label`."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mechprobe.analyses.commands.label.labelling import (
    Labelled,
    as_frame,
    as_text,
    objects,
    overview,
)
from mechprobe.analyses.common.written import FORMATS, format_of, write_table
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.files import write_text

if TYPE_CHECKING:
    import pandas as pd

READ = ("md", "latex")  # formats of tables that are read, not computed with


def refuse_file(path: Path, *, force: bool) -> None:
    """Look whether a table may be written, before the models are labelled.

    Raises:
        MechprobeError: the name says no format, or a file is there and `force` is not given.
    """
    format_of(path)
    if os.path.lexists(path) and not force:
        raise MechprobeError(
            f"{path}: is there already; choose another --out, or replace it with --force"
        )


def printed(
    form: str, paths: Sequence[Path], labelled: Sequence[Labelled], problems: Mapping[Path, str]
) -> str:
    """What is printed; nothing where no model has a label and the format is text.

    Args:
        form: "text", "json" or one of the formats of tables.
        paths: of all models, in order.
        labelled: those with a label.
        problems: why others have none.
    """
    if form == "text":
        return "\n".join(map(as_text, labelled))
    if form == "json":
        return json.dumps(objects(paths, labelled, problems), indent=2, allow_nan=False)
    return FORMATS[form](_frame(form, labelled, problems)).rstrip("\n")


def put(
    path: Path, paths: Sequence[Path], labelled: Sequence[Labelled], problems: Mapping[Path, str]
) -> None:
    """Write a file of the labels, whole or not at all, in the format that its name says.

    Raises:
        MechprobeError: it cannot be written.
    """
    form = format_of(path)
    if form == "json":
        write_text(path, printed(form, paths, labelled, problems) + "\n")
    else:
        write_table(_frame(form, labelled, problems), path, form)


def _frame(form: str, labelled: Sequence[Labelled], problems: Mapping[Path, str]) -> "pd.DataFrame":
    return (overview if form in READ else as_frame)(labelled, problems)
