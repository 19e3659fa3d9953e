"""`mechprobe report`: the page of a run."""

from pathlib import Path

import click

from mechprobe.analyses.common.console import tell


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write the HTML report of a RUN folder."""
    from mechprobe.reports import write_report

    tell(f"report: {write_report(run)}")
