"""`mechprobe report`: the page of a run."""

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write the HTML report of a RUN folder."""
    from mechprobe.reports import write_report

    click.echo(f"report: {write_report(run)}")
