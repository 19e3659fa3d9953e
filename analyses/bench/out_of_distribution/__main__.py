"""python -m mechprobe.analyses.bench.out_of_distribution --out FOLDER"""

import argparse
from pathlib import Path

import pandas as pd

from mechprobe.analyses.bench.out_of_distribution.figure import draw
from mechprobe.analyses.bench.out_of_distribution.page import page
from mechprobe.analyses.bench.out_of_distribution.plan import QUICK, Plan
from mechprobe.analyses.bench.out_of_distribution.table import anchors, tables
from mechprobe.analyses.bench.out_of_distribution.work import trained
from mechprobe.analyses.bench.shell import from_shell
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.base.parallel import one_thread


def main() -> None:
    """Train, ask, and write page and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/out_of_distribution"))
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the page goes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="four tiny models, to see it run")
    options = parser.parse_args()
    one_thread()
    plan = QUICK if options.quick else Plan()
    with folder_alone(options.out):
        models, _ = tables(trained(plan, options.out / "models"), options.out, options.seed)
    write(plan, models, anchors(plan, options.seed), options.docs, options.seed)


def write(plan: Plan, models: pd.DataFrame, built: pd.DataFrame, docs: Path, seed: int) -> None:
    """Page and picture."""
    picture = draw(models)
    path = docs / "images" / "out_of_distribution.png"
    write_whole(path, lambda p: picture.savefig(p, format="png", dpi=110))
    write_text(docs / "out_of_distribution.md", page(plan, models, built, seed))


if __name__ == "__main__":
    from_shell(main)
