"""Run the study and write its page.

python -m mechprobe.analyses.bench.refutation [--out docs] [--seeds 10]
"""

import argparse
from pathlib import Path

from mechprobe.analyses.bench.refutation.measuring import along_paths, trained
from mechprobe.analyses.bench.refutation.page import drawn, page
from mechprobe.analyses.bench.shell import from_shell, positive
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.base.parallel import one_thread

STEPS, PATH_SEEDS = 80, 3


def main() -> None:
    """Measure, draw, write two_mechanisms.md and images/two_mechanisms.png."""
    parser = argparse.ArgumentParser(description="Are these two mechanisms?")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--seeds", type=positive, default=10, help="trained models of each shape")
    arguments = parser.parse_args()
    one_thread()
    with folder_alone(arguments.out):  # known to be one before the work, which takes its time
        paths, models = along_paths(STEPS, PATH_SEEDS), trained(arguments.seeds)
    picture = drawn(paths, models)
    write_whole(
        arguments.out / "images" / "two_mechanisms.png",
        lambda path: picture.savefig(path, format="png", dpi=110),
    )
    write_text(arguments.out / "two_mechanisms.md", page(paths, models, arguments.seeds))
    print(f"wrote {arguments.out / 'two_mechanisms.md'}")


if __name__ == "__main__":
    from_shell(main)
