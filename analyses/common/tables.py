"""Tables that come with the package (a study's data folder), row by row."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mechprobe.models.base.errors import MechprobeError

Row = TypeVar("Row")


def read_table(table: Path, row: Callable[[dict[str, str]], Row]) -> list[Row]:
    """Every row of a CSV table.

    Args:
        table: the file.
        row: makes an object of a row's texts by column.

    Raises:
        MechprobeError: the table is missing or damaged.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return [row(texts) for texts in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MechprobeError(f"{table}: the published table cannot be read ({error})") from None
