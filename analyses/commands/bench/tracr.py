"""`mechprobe bench tracr`."""

from pathlib import Path

import click

from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples("mechprobe bench tracr --docs docs", "mechprobe bench tracr --compile programs")
)
@click.option("--compile", "folder", type=PATH, help="Compile them and store them here.")
@click.option("--docs", type=PATH, help="Label the package's own, and put tables in here.")
def tracr(folder: Path | None, docs: Path | None) -> None:
    """Programs that count, compiled by tracr: compile them, or say what labels make of them.

    Only compiling needs tracr (pip install mechprobe[compiled]).
    """
    from mechprobe.analyses.bench.tracr.run import compile_all, describe

    if folder is None and docs is None:
        raise click.UsageError("give --compile or --docs")
    if folder is not None:
        compile_all(folder)
    if docs is not None:
        describe(docs)
