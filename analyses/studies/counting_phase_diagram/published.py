"""The published grid, shipped with the package; see data/README.md."""

from pathlib import Path

from mechprobe.analyses.common.tables import read_table
from mechprobe.analyses.studies.counting_phase_diagram.contents import Published

TABLE = Path(__file__).parent / "data" / "counting_phase_T32_L10.csv"
T, L = 32, 10
SOURCE = (
    "The published numbers are means over 5 seeds, read off figure 2 of arXiv:2407.11542 to within"
    " about 0.5 points, at powers of two only. Its models were trained for 500 epochs of 10,000"
    " fresh sequences, batches of 32, with Adam at rate 0.001."
)


def published(table: Path = TABLE) -> list[Published]:
    """The cells, accuracies as shares.

    Raises:
        MechprobeError: the table is missing or damaged.
    """
    return read_table(table, _row)


def _row(row: dict[str, str]) -> Published:
    return Published(
        architecture=row["arch"],
        d=int(row["d"]),
        p=int(row["p"]),
        accuracy=float(row["acc"]) / 100,
    )
