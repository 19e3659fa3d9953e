"""Both pages as HTML: the phase diagram, and the comparison with the published grid."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mechprobe.analyses.studies.counting_phase_diagram.cells import Row, cells_of, chance, lowest
from mechprobe.analyses.studies.counting_phase_diagram.comparison import (
    agreements,
    differences,
    worst,
)
from mechprobe.analyses.studies.counting_phase_diagram.comparison_figures import (
    difference_maps,
    scatter,
)
from mechprobe.analyses.studies.counting_phase_diagram.contents import PhaseDiagram
from mechprobe.analyses.studies.counting_phase_diagram.data import embedded
from mechprobe.analyses.studies.counting_phase_diagram.kinds import KINDS
from mechprobe.analyses.studies.counting_phase_diagram.legends import (
    accuracy_strip,
    counters_strip,
    mechanism_entries,
)
from mechprobe.analyses.studies.counting_phase_diagram.maps import SIDE, panels
from mechprobe.analyses.studies.counting_phase_diagram.overview import overview
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.probes.counting.kinds import AXES, TOKENS
from mechprobe.reports.colours import colour_rules
from mechprobe.reports.figures import to_data_uri
from mechprobe.reports.formatting import counted
from mechprobe.reports.layout import fill

PAGE, COMPARISON, PICTURE = "phase.html", "comparison.html", "phase.png"
BUDGET = 200_000  # bytes of a figure in a page
DPI = 110  # of the picture beside the pages
TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("data.js", "figures.js", "panel.js", "page.js")


def write_pages(study: PhaseDiagram, folder: Path) -> list[Path]:
    """Write the page, the comparison and the static figure, each whole or not at all.

    Raises:
        MechprobeError: a file cannot be written.
    """
    page, comparison, picture = (folder / name for name in (PAGE, COMPARISON, PICTURE))
    write_text(page, render(study))
    write_text(comparison, render_comparison(study))
    figure = overview(study, cells_of(study.rows))
    write_whole(picture, lambda path: _save(figure, path))
    return [page, comparison, picture]


def render(study: PhaseDiagram) -> str:
    """The phase diagram as one HTML page that loads nothing from elsewhere."""
    cells = cells_of(study.rows)
    counts = Counter(cell.kind for cell in cells)
    return fill(
        "page.html.j2",
        styles=["page.css"],
        scripts=SCRIPTS,
        rules=marks(),
        folder=TEMPLATES,
        study=study,
        panels=panels(study, cells),
        cells=cells,
        trained=trained(study.rows),
        chosen=sum(bool(row.get("chosen")) for row in study.rows),
        picture=to_data_uri(overview(study, cells), BUDGET),
        data=embedded(study.rows, cells),
        side=SIDE,
        accuracy=accuracy_strip(lowest(study.rows)),
        chance=chance(study.rows),
        lowest=lowest(study.rows),
        rates=len({row.get("lr") for row in study.rows}),
        counters=counters_strip(study.T),
        entries=mechanism_entries(list(counts)),
        counts={kind: counts[kind] for kind in KINDS if counts[kind]},
        kinds=KINDS,
        comparison=COMPARISON,
    )


def marks() -> str:
    """Style rules for the marks that the script makes: k-KIND, a-KIND and t-KIND."""
    colours = {f"t-{kind}": item.colour for kind, item in TOKENS.items()}
    for prefix, axis in zip(("k", "a"), AXES, strict=True):
        colours |= {f"{prefix}-{name}": kind.colour for name, kind in axis.kinds.items()}
    return colour_rules(colours)


def trained(rows: Sequence[Row]) -> str:
    """What was trained, in a sentence."""

    def listed(name: str, form: str = "") -> str:
        values = sorted({row[name] for row in rows if row.get(name) is not None})
        return " and ".join(format(value, form) for value in values) or "unknown"

    seeds = len({row.get("seed") for row in rows})
    chosen = sum(bool(row.get("chosen")) for row in rows)
    return (
        f"{counted(len(rows), 'model')} {'was' if len(rows) == 1 else 'were'} trained:"
        f" {counted(seeds, 'seed')} a cell and learning rate (peak {listed('lr', 'g')}),"
        f" {listed('steps', ',')} steps of {listed('batch')} sequences, {listed('schedule')}"
        f" schedule. {chosen:,} {'is' if chosen == 1 else 'are'} chosen{_rule_of_choice(rows)}."
    )


def _rule_of_choice(rows: Sequence[Row]) -> str:
    """How the chosen models were chosen; nothing where there was no choice."""
    rates = len({row.get("lr") for row in rows})
    if rates < 2:
        return ""
    return f": of every seed the {'better' if rates == 2 else 'best'} rate"


def render_comparison(study: PhaseDiagram) -> str:
    """The comparison as one HTML page; without published numbers it says why there is none."""
    found = differences(cells_of(study.rows), study.published)
    return fill(
        "comparison.html.j2",
        styles=["page.css"],
        folder=TEMPLATES,
        study=study,
        found=found,
        agreements=agreements(found),
        worst=worst(found),
        maps=to_data_uri(difference_maps(found), BUDGET) if found else None,
        scatter=to_data_uri(scatter(found), BUDGET) if found else None,
        page=PAGE,
    )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", dpi=DPI, facecolor="white")
