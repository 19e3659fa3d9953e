"""Does a label predict what a model does off its training data? `mechprobe bench
out-of-distribution`."""

from pathlib import Path

import pandas as pd

from mechprobe.analyses.bench.out_of_distribution.figure import draw
from mechprobe.analyses.bench.out_of_distribution.page import page
from mechprobe.analyses.bench.out_of_distribution.plan import QUICK, Plan
from mechprobe.analyses.bench.out_of_distribution.table import anchors, tables
from mechprobe.analyses.bench.out_of_distribution.work import trained
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.base.parallel import one_thread


def run(out: Path, docs: Path, quick: bool, seed: int) -> None:
    """Train, ask, and write page and picture.

    Args:
        out: folder of models and tables.
        docs: folder of the page.
        quick: four tiny models.
        seed: of the probes.
    """
    one_thread()
    plan = QUICK if quick else Plan()
    with folder_alone(out):
        models, _ = tables(trained(plan, out / "models"), out, seed)
    write(plan, models, anchors(plan, seed), docs, seed)


def write(plan: Plan, models: pd.DataFrame, built: pd.DataFrame, docs: Path, seed: int) -> None:
    """Page and picture."""
    picture = draw(models)
    path = docs / "images" / "out_of_distribution.png"
    write_whole(path, lambda p: picture.savefig(p, format="png", dpi=110))
    write_text(docs / "out_of_distribution.md", page(plan, models, built, seed))
