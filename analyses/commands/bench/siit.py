"""`mechprobe bench siit`."""

from pathlib import Path

import click

from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(epilog=examples("mechprobe bench siit --out runs/siit"))
@click.option("--out", type=PATH, required=True, help="Folder of trained.safetensors, truth.json.")
def siit(out: Path) -> None:
    """Train models towards a causal model, verify them, keep those that passed.

    The same command goes on where it was stopped.
    """
    from mechprobe.analyses.bench.siit.run import run

    run(out)
