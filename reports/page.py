"""The report of a run: a template filled with it, everything it needs inside one file."""

from collections.abc import Sequence
from pathlib import Path

from mechprobe.models.base.files import write_text
from mechprobe.probes.admission import refuse_models
from mechprobe.probes.registry import all_probes
from mechprobe.probes.results import ModelResult, RunInfo
from mechprobe.probes.runs import load_run
from mechprobe.reports.colours import NEUTRAL, colour_class, colour_rules, kind_rules
from mechprobe.reports.layout import fill
from mechprobe.reports.sections import Table, explained, overview, probe_lines, sections

REPORT_FILE = "report.html"


def write_report(run: str | Path) -> Path:
    """Write report.html into a run folder, whole or not at all.

    Args:
        run: folder of a finished run.

    Returns:
        Path of the report.

    Raises:
        MechprobeError: no run there, no results in it, or the folder cannot be written.
    """
    refuse_models(run, "a run folder (`mechprobe label MODEL --run FOLDER` writes one)")
    folder = Path(run)
    info, results = load_run(folder)
    path = folder / REPORT_FILE
    write_text(path, render(info, results))
    return path


def render(info: RunInfo, results: list[ModelResult]) -> str:
    """Lay a run out as one HTML page that loads nothing from elsewhere.

    Figures come from the probes registered here. A probe that is missing or whose figure
    fails leaves a note in its place.

    Args:
        info: how the run was made.
        results: its models, in the order they shall stand.
    """
    probes = all_probes()
    models = sections(results, probes)
    tables = overview(models)
    return fill(
        "report.html.j2",
        scripts=["report.js"],
        rules=kind_style(tables),
        info=info,
        sections=models,
        probes=probe_lines(results, probes),
        tables=tables,
        explained=explained(tables),
    )


def kind_style(tables: Sequence[Table]) -> str:
    """Style rules for the kinds and items of a run."""
    kinds = [k for table in tables for axis in table.shown.axes for k in axis.kinds.values()]
    items = [item for table in tables for section in table.sections for item in section.items]
    # Colours of readings have been checked to be colours: the rules hold no other text.
    return colour_rules({colour_class(NEUTRAL): NEUTRAL}) + kind_rules([*kinds, *items])
