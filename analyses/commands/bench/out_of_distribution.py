"""`mechprobe bench out-of-distribution`."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples("mechprobe bench out-of-distribution --quick --docs runs/out_of_distribution")
)
@options.out("runs/out_of_distribution", "Folder of models and tables.")
@click.option(
    "--docs",
    type=PATH,
    default=Path("docs"),
    show_default=True,
    help="Folder of out_of_distribution.md and of its picture.",
)
@options.quick("Four tiny models, to see it run.")
@options.seed("Of the probes.")
def out_of_distribution(out: Path, docs: Path, quick: bool, seed: int) -> None:
    """Train on a part of the inputs: does the label predict the answers on the rest?

    Models that are there are kept: the same command goes on where it was stopped.
    """
    from mechprobe.analyses.bench.out_of_distribution.run import run

    run(out, docs, quick, seed)
