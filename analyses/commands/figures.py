"""`mechprobe figures`: a run's figures for papers."""

from pathlib import Path
from typing import Literal

import click

from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples(
        "mechprobe figures runs/mine",
        "mechprobe figures runs/mine --format svg --probe readout",
    )
)
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, help="Folder to write to.  [default: figures, in RUN]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["pdf", "svg", "png"]),
    default="pdf",
    show_default=True,
)
@click.option(
    "--width", type=float, default=3.25, show_default=True, help="Of each panel, in inches."
)
@click.option("--model", "models", multiple=True, help="Only this one; may be given again.")
@click.option("--probe", "probes", multiple=True, help="Only this one; may be given again.")
def figures(
    run: Path,
    out: Path | None,
    form: Literal["pdf", "svg", "png"],
    width: float,
    models: tuple[str, ...],
    probes: tuple[str, ...],
) -> None:
    """Write the figures of a RUN folder for a paper, with the data of each as CSV beside it."""
    from mechprobe.reports import write_figures

    files = write_figures(run, out, form, width, models, probes)
    if not files:
        tell("no figures: none of these probes draws one")
        return
    count = f"{len(files)} {'figure' if len(files) == 1 else 'figures'}"
    tell(f"{count} in {files[0].parent.parent}")
