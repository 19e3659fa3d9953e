"""`mechprobe bench speed`."""

import click

from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench speed"))
def speed() -> int:
    """Time labels, probes, runs and training on one core."""
    from mechprobe.analyses.bench.speed import run

    return run()
