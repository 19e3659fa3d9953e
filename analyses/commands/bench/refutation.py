"""`mechprobe bench refutation`."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench refutation --out runs/refutation --seeds 3"))
@options.out("docs", "Folder of two_mechanisms.md and of its picture.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Trained models of each shape.",
)
def refutation(out: Path, seeds: int) -> None:
    """Ask what would refute that there are two mechanisms, and write the page of it."""
    from mechprobe.analyses.bench.refutation.run import run

    run(out, seeds)
