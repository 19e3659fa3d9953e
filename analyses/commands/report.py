"""`mechprobe report`: the page of a run."""

from pathlib import Path

import click

from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples("mechprobe label my_counter --run runs/mine", "mechprobe report runs/mine")
)
@click.argument("run", type=PATH)
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Show these models: a name or 'bos*'."
)
@click.option(
    "--probe", "probes", multiple=True, metavar="NAME", help="Show these probes, likewise."
)
@click.option("--compact", is_flag=True, help="About 50 kB a model, for large runs and mail.")
def report(run: Path, models: tuple[str, ...], probes: tuple[str, ...], compact: bool) -> None:
    """Write the HTML report of a RUN folder."""
    from mechprobe.reports import write_report

    page = write_report(run, models=models, probes=probes, compact=compact)
    tell(f"report: {page}")
