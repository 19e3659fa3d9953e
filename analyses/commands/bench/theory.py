"""`mechprobe bench theory`."""

import click

from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench theory"))
def theory() -> int:
    """Time the theory against its limits."""
    from mechprobe.analyses.bench.theory import run

    return run()
