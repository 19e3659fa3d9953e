"""The page: runs side by side, then each with its picture, its sentences and its snapshots."""

from dataclasses import dataclass
from pathlib import Path

from mechprobe.analyses.dynamics import tables
from mechprobe.analyses.dynamics.figure import draw
from mechprobe.analyses.dynamics.runs import Dynamics, Run
from mechprobe.analyses.dynamics.tables import Table
from mechprobe.analyses.dynamics.words import told
from mechprobe.models.base.files import write_text
from mechprobe.reports.colours import kind_rules
from mechprobe.reports.figures import Image, to_data_uri
from mechprobe.reports.formatting import anchors
from mechprobe.reports.labels import reading_shown
from mechprobe.reports.layout import fill

TEMPLATES = Path(__file__).parent / "templates"
BUDGET = 60_000  # bytes of a figure; there are a few of them, not hundreds


@dataclass(frozen=True)
class Section:
    """A run as it is shown.

    Args:
        anchor: fragment identifier.
        image: its figure.
        panels: their titles.
        says: what happened, in sentences.
        history: its snapshots.
    """

    anchor: str
    run: Run
    image: Image
    panels: list[str]
    says: list[str]
    history: Table

    @property
    def alt(self) -> str:
        """The figure in words."""
        return (
            f"{self.run.name} over training steps: {'; '.join(self.panels)}; with strips of labels"
            f" below. {' '.join(self.says)}"
        )


def write_page(dynamics: Dynamics, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(path, render(dynamics))
    return path


def render(dynamics: Dynamics) -> str:
    """The runs as one HTML page that loads nothing from elsewhere."""
    followed, shown = dynamics.followed, reading_shown(dynamics.reading)
    kinds = [kind for axis in shown.axes for kind in axis.kinds.values()]
    names = [run.name for run in dynamics.runs]
    sections = [
        Section(
            anchor,
            run,
            to_data_uri(draw(run, dynamics), BUDGET),
            [panel.title for panel in followed.panels],
            told(run, dynamics),
            tables.history(run, dynamics, {**followed.columns, **followed.more}),
        )
        for anchor, run in zip(anchors(names), dynamics.runs, strict=True)
    ]
    return fill(
        "page.html.j2",
        styles=["studies.css", "page.css"],
        rules=kind_rules(kinds),
        folder=TEMPLATES,
        dynamics=dynamics,
        followed=followed,
        shown=shown,
        sections=sections,
        overview=tables.overview(dynamics),
    )
