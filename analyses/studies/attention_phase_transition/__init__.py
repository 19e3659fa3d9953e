"""The attention phase transition: theory, experiments and published runs on one page."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.studies import study


@study("attention-phase-transition")
@options.out("runs/attention")
@options.quick("Small and few, about a minute.")
@click.option(
    "--seeds", type=click.IntRange(1, 10_000), help="Data sets at each alpha of part (a)."
)
@options.seed("Of everything random.")
def attention_phase_transition(out: Path, quick: bool, seeds: int | None, seed: int) -> int:
    """Positional or semantic: theory, experiments and published runs of an attention layer.

    Six parts: order parameters and errors against alpha; the (alpha, omega) plane; agreement of
    experiments and theory; scaling with d; another positional matrix; gradient descent from random
    starts. A stopped run goes on with the same command. Source: arXiv:2402.03902.
    """
    from mechprobe.analyses.studies.attention_phase_transition.work import run
    from mechprobe.models.base.folders import folder_alone

    with folder_alone(out):
        return run(out, quick, seeds, seed, options.command_again())
