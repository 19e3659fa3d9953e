"""`mechprobe bench training`."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples("mechprobe bench training", "mechprobe bench training --peer published_code")
)
@click.option("--peer", type=PATH, metavar="DIR", help="Checkout of the published code, timed too.")
@options.seed("Of the models.")
def training(peer: Path | None, seed: int) -> int:
    """Time training against a plain loop and against the core's own limit."""
    from mechprobe.analyses.bench.training import run

    return run(peer, seed)
