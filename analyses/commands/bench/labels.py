"""`mechprobe bench labels`."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe bench labels --out runs/label_benchmark"))
@options.out("runs/label_benchmark")
@options.seed("Of the models.")
def labels(out: Path, seed: int) -> int:
    """Label models whose mechanism is known, all transformed: how far can labels be trusted?"""
    from mechprobe.analyses.bench.label_benchmark import benchmark
    from mechprobe.models.base.folders import folder_alone

    with folder_alone(out):
        return benchmark(out, seed)
