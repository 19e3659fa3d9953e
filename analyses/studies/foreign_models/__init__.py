"""Models made elsewhere, probed through the foreign path and natively, with the same numbers."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.studies import study


@study("foreign-models")
@options.out("runs/foreign_models")
@click.option(
    "--steps", type=click.IntRange(min=1), default=2000, show_default=True, help="Of training."
)
@options.seed("Of training and probes.")
def foreign_models(out: Path, steps: int, seed: int) -> int:
    """Probe models made elsewhere as they are and natively: are the numbers the same?

    Trains a small model of TransformerLens's `boot_native` on the histogram task (T=8, L=6),
    compiles a counter by hand, saves both as folders, and labels and probes each twice: read from
    its folder as a foreign model, and with the same weights as one of our transformers. Prints the
    labels and the largest difference of any number. Exit code 1 where the trained model is right
    less often than 97 %, the compiled counter is not labelled relation-based with semantic
    attention, or numbers differ by more than 1e-4. A model that OUT holds whole is not trained
    again.
    """
    from mechprobe.analyses.studies.foreign_models.work import run
    from mechprobe.models.base.folders import folder_alone

    with folder_alone(out):
        return run(out, steps, seed)
