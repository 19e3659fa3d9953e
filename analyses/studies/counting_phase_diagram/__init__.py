"""The counting phase diagram: accuracy, mechanism and counters over width and neurons."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.paths import PATH
from mechprobe.analyses.studies import study

RUN = Path("runs/counting")


@study("counting-phase-diagram")
@click.option(
    "--run",
    "sweep",
    type=PATH,
    help=f"Folder of a sweep.  [default: {RUN}, swept if it is not there]",
)
@click.option(
    "--out",
    type=PATH,
    help="Where the pages go.  [default: the sweep's folder]",
)
def counting_phase_diagram(sweep: Path | None, out: Path | None) -> int:
    """Accuracy, mechanism and counters over width and neurons, beside the published grid.

    Reads the table of a sweep (RUN/results.parquet). A RUN without one is swept first: over its own
    grid, or over a coarse one where there is no RUN. Writes OUT/phase.html (maps; a click on a cell
    shows its models), OUT/comparison.html (our accuracies against the published grid),
    OUT/phase.png and OUT/table.csv. Source: arXiv:2407.11542.
    """
    from mechprobe.analyses.studies.counting_phase_diagram.work import run

    return run(sweep or RUN, sweep is None, out, options.command_again())
