"""`mechprobe bench calibration`."""

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench calibration --models 500"))
@click.option(
    "--models", type=click.IntRange(min=1), default=1200, show_default=True, help="About so many."
)
@options.seed("Of the models.", default=50_000)
def calibration(models: int, seed: int) -> None:
    """Fit the confidence of labels on models whose mechanism is known.

    Writes the calibration into the package itself: a decision, not a measurement.
    """
    from mechprobe.analyses.bench.calibration import run

    run(models, seed)
