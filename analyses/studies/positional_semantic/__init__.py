"""Both solutions of the counting transformer with positions, before and after unfreezing."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.studies import study


@study("positional-semantic")
@options.out("runs/positional_semantic")
@options.number("seeds", "Models of only_pos and of only_sem.", full=5, quick=2)
@options.number("free", "Models trained free from scratch.", full=5, quick=2, least=0)
@options.quick()
@click.option("--published", is_flag=True, help="The paper's epochs, several times as long.")
@options.seed()
def positional_semantic(
    out: Path, seeds: int, free: int, quick: bool, published: bool, seed: int
) -> int:
    """Count by positions or by tokens: do both solutions stay when they are unfrozen?

    Trains models whose attention sees positions alone and tokens alone, frees them and trains on,
    and trains free ones from scratch; labels and measures all of them. OUT is a run (mechprobe
    report reads it) with positional_semantic.html, .png and .json. A stopped run goes on with the
    same command. Exit code 1 where something demanded is missed. Source: arXiv:2402.03902,
    section 3.
    """
    from mechprobe.analyses.studies.positional_semantic.work import run
    from mechprobe.models.base.folders import folder_alone

    if quick and published:
        raise click.UsageError("--quick and --published exclude each other; leave one out")
    with folder_alone(out):
        return run(out, quick, published, seeds, free, seed, options.command_again())
