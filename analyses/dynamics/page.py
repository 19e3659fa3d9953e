"""The page: runs side by side, then each with its picture, its sentences and its snapshots."""

from dataclasses import dataclass
from pathlib import Path

from mechprobe.analyses.dynamics import tables
from mechprobe.analyses.dynamics.figure import draw
from mechprobe.analyses.dynamics.study import Run, Study
from mechprobe.analyses.dynamics.tables import Table
from mechprobe.analyses.dynamics.words import sentences
from mechprobe.models.base.files import write_text
from mechprobe.reports import vocabulary
from mechprobe.reports.figures import Image, to_data_uri
from mechprobe.reports.formatting import anchors
from mechprobe.reports.layout import fill

TEMPLATES = Path(__file__).parent / "templates"
BUDGET = 60_000  # bytes of a figure; there are a few of them, not hundreds


@dataclass(frozen=True)
class Section:
    """A run as it is shown."""

    anchor: str
    run: Run
    image: Image
    says: list[str]
    history: Table

    @property
    def alt(self) -> str:
        """The figure in words."""
        return (
            f"Accuracy, kappa, counters and representation of {self.run.name} over training steps,"
            f" with strips of labels below. {' '.join(self.says)}"
        )


def write_page(study: Study, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(path, render(study))
    return path


def render(study: Study) -> str:
    """The study as one HTML page that loads nothing from elsewhere."""
    names = [run.name for run in study.runs]
    sections = [
        Section(
            anchor,
            run,
            to_data_uri(draw(run), BUDGET),
            sentences(run.formation),
            tables.history(run, tables.EVIDENCE | tables.MEASURES),
        )
        for anchor, run in zip(anchors(names), study.runs, strict=True)
    ]
    return fill(
        "page.html.j2",
        styles=["studies.css", "page.css"],
        folder=TEMPLATES,
        study=study,
        sections=sections,
        overview=tables.overview(study),
        mechanisms=vocabulary.MECHANISMS,
    )
