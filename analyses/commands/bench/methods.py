"""`mechprobe bench methods`."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples("mechprobe bench methods --quick", "mechprobe bench methods --export models")
)
@options.out("runs/methods")
@options.quick("Few and small models, two minutes or so.")
@options.seed("Of models and methods.")
@click.option("--export", "folder", type=PATH, help="Only write the models and the truth there.")
@click.option("--docs", type=PATH, help="Refresh methods.md and its figure in this folder too.")
def methods(out: Path, quick: bool, seed: int, folder: Path | None, docs: Path | None) -> int:
    """Ask every method about every model, those of installed packages included.

    The same command goes on where it was stopped.
    """
    from mechprobe.analyses.bench.methods.export import begin, export
    from mechprobe.analyses.bench.methods.page import refresh, tables, write
    from mechprobe.analyses.bench.methods.population import population
    from mechprobe.analyses.bench.methods.registry import METHODS
    from mechprobe.analyses.bench.methods.run import learn, run
    from mechprobe.models.base.folders import folder_alone

    if folder is not None:
        begin(folder)
        models = {entry.name: entry for entry in population(quick, seed)}
        with TemporaryDirectory() as place:
            truth = learn(Path(place), models, lasts=False)
        export(folder, models, truth)
        tell(f"{len(models)} models: {folder}")
        return 0
    with folder_alone(out):
        found = run(out, quick, seed)
        files = write(out, found)
    if docs is not None:
        refresh(docs, found)
    for name, table in tables(found).items():
        tell(f"{name}\n{table}\n")
    for file in files:
        tell(str(file))
    return report_problems(METHODS.problems())
