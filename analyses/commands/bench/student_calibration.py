"""`mechprobe bench student-calibration`."""

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench student-calibration --models 320"))
@click.option(
    "--models", type=click.IntRange(min=4), default=400, show_default=True, help="How many."
)
@options.seed("Of the students.", default=70_000)
def student_calibration(models: int, seed: int) -> None:
    """Fit the confidence of students' labels on planted students.

    Writes the calibration into the package itself: a decision, not a measurement.
    """
    from mechprobe.analyses.bench.student_calibration import run

    run(models, seed)
