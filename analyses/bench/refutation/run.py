"""Are two mechanisms two? Measure, and write the page: `mechprobe bench refutation`."""

from pathlib import Path

from mechprobe.analyses.bench.refutation.measuring import along_paths, trained
from mechprobe.analyses.bench.refutation.page import drawn, page
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.base.parallel import one_thread

STEPS, PATH_SEEDS = 80, 3


def run(out: Path, seeds: int) -> None:
    """Measure, draw, write two_mechanisms.md and images/two_mechanisms.png.

    Args:
        out: folder of the page.
        seeds: trained models of each shape.
    """
    one_thread()
    with folder_alone(out):  # known to be one before the work, which takes its time
        paths, models = along_paths(STEPS, PATH_SEEDS), trained(seeds)
    picture = drawn(paths, models)
    write_whole(
        out / "images" / "two_mechanisms.png",
        lambda path: picture.savefig(path, format="png", dpi=110),
    )
    write_text(out / "two_mechanisms.md", page(paths, models, seeds))
    print(f"wrote {out / 'two_mechanisms.md'}")
