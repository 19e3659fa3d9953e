"""Blocks, heads, activations, positions, norms, values: does the counting mechanism change?

Three counting architectures as they are and with one thing changed at a time. Source of the
variations: arXiv:2407.11542, appendices.
"""

from pathlib import Path

from mechprobe.analyses.common import options
from mechprobe.analyses.studies import study


@study("architectures")
@options.out("runs/architectures")
@options.number("seeds", "Models of each kind.", full=3, quick=1)
@options.quick()
@options.seed()
def architectures(out: Path, seeds: int, quick: bool, seed: int) -> int:
    """Vary blocks, heads, norms and more: does the counting mechanism change?

    Trains three counting architectures as they are and with one thing changed at a time, labels and
    probes all models. OUT is a run (mechprobe report reads it) with report.html, architectures.png,
    .csv and .md. A stopped run goes on with the same command. Source: arXiv:2407.11542.
    """
    from mechprobe.analyses.studies.architectures.work import run
    from mechprobe.models.base.folders import folder_alone

    with folder_alone(out):
        return run(out, quick, seeds, seed, options.command_again())
