"""`mechprobe bench hostile`."""

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench hostile --number 40"))
@click.option(
    "--number", type=click.IntRange(min=1), default=200, show_default=True, help="Of checkpoints."
)
@options.seed("Of the faults.")
def hostile(number: int, seed: int) -> int:
    """Load bad checkpoints of every format: is each refused in a line, quickly and safely?"""
    from mechprobe.analyses.bench.hostile.run import run

    return run(number, seed)
