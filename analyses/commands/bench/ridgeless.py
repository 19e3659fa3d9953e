"""`mechprobe bench ridgeless`."""

import click

from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench ridgeless"))
def ridgeless() -> int:
    """Compare the theory with hardly a ridge with minima of real models."""
    from mechprobe.analyses.bench.ridgeless import run

    return run()
