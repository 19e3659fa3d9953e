"""The published runs, shipped with the package; see data/README.md."""

from pathlib import Path

from mechprobe.analyses.common.tables import read_table
from mechprobe.analyses.studies.attention_phase_transition.contents import PublishedRow

TABLE = Path(__file__).parent / "data" / "gradient_descent_omega0.3_d1000.csv"
OMEGA, D, RUNS = 0.3, 1000, 24


def published(table: Path = TABLE) -> list[PublishedRow]:
    """The rows, losses per d.

    Raises:
        MechprobeError: the table is missing or damaged.
    """
    return read_table(table, _row)


def _row(row: dict[str, str]) -> PublishedRow:
    return PublishedRow(
        alpha=float(row["alpha"]),
        start="semantic" if row["semantic_init"] == "True" else "positional",
        m=float(row["abs_m"]),
        theta=float(row["abs_theta"]),
        loss=float(row["train_loss"]) / D,
        test_error=float(row["gen_error"]),
        linear_error=float(row["linear_gen_error"]),
        m_spread=float(row["m_std"]),
        theta_spread=float(row["theta_std"]),
        test_error_spread=float(row["gen_error_std"]),
    )
