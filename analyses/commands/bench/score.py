"""`mechprobe bench score`."""

from pathlib import Path

import click

from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples(
        "mechprobe bench methods --export models", "mechprobe bench score models mine.json"
    )
)
@click.argument("folder", metavar="DIR", type=PATH)
@click.argument("answers", type=PATH)
def score(folder: Path, answers: Path) -> None:
    """Score ANSWERS, a JSON file, on the exported models of DIR.

    DIR/README.md says how answers are written.
    """
    from mechprobe.analyses.bench.methods.answers import read_answers, read_truth
    from mechprobe.analyses.bench.methods.scorer import score as scored
    from mechprobe.analyses.bench.methods.table import by_part, overview

    truth = read_truth(folder)
    rows = scored(truth, read_answers(answers, truth))
    tell(f"{overview(rows)}\n\n{by_part(rows)}")
