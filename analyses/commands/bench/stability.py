"""`mechprobe bench stability`."""

from pathlib import Path

import click

from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(epilog=examples("mechprobe bench stability --out runs/stability"))
@click.option("--out", type=PATH, required=True, help="Folder of the results.")
@click.option(
    "--models", type=click.IntRange(min=1), default=40, show_default=True, help="To disturb."
)
def stability(out: Path, models: int) -> int:
    """Disturb models near the borders in what does not matter: do their labels change?

    The same command goes on where it was stopped.
    """
    from mechprobe.analyses.bench.stability.run import run

    return run(out, models)
