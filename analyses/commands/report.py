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
def report(run: Path) -> None:
    """Write the HTML report of a RUN folder."""
    from mechprobe.reports import write_report

    tell(f"report: {write_report(run)}")
