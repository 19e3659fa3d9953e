"""`mechprobe bench imports`."""

import click

from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench imports"))
def imports() -> int:
    """Time what starts the command takes, beside importing torch."""
    from mechprobe.analyses.bench.imports import run

    return run()
