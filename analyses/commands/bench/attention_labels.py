"""`mechprobe bench attention-labels`."""

import click

from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench attention-labels --seeds 5"))
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Data sets at each alpha.",
)
def attention_labels(seeds: int) -> int:
    """Label students of known start, and pure noise: are the attention labels right?"""
    from mechprobe.analyses.bench.attention_labels import run

    return run(seeds)
