"""The page: a template filled with a run, everything it needs inside one file."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mechprobe.models.base.files import write_text
from mechprobe.probes.registry import all_probes
from mechprobe.probes.results import ModelResult, RunInfo
from mechprobe.probes.runs import load_run
from mechprobe.reports import formatting
from mechprobe.reports.colours import NEUTRAL, colour_class, colour_rules, kind_rules
from mechprobe.reports.sections import Table, explained, overview, probe_lines, sections

REPORT_FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: Path) -> Path:
    """Write report.html into a run folder, whole or not at all.

    Args:
        run: folder of a finished run.

    Returns:
        Path of the report.

    Raises:
        MechprobeError: no run there, no results in it, or the folder cannot be written.
    """
    info, results = load_run(run)
    path = run / REPORT_FILE
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
    style, script = part("report.css") + kind_style(tables), part("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            info=info,
            sections=models,
            probes=probe_lines(results, probes),
            tables=tables,
            explained=explained(tables),
            style=style,
            script=script,
            style_hash=policy_hash(style),
            script_hash=policy_hash(script),
        )
    )


def kind_style(tables: Sequence[Table]) -> Markup:
    """Style rules for the kinds and items of a run."""
    kinds = [k for table in tables for axis in table.shown.axes for k in axis.kinds.values()]
    items = [item for table in tables for section in table.sections for item in section.items]
    # Colours of readings have been checked to be colours: the rules hold no other text.
    neutral = colour_rules({colour_class(NEUTRAL): NEUTRAL})
    return Markup(neutral + kind_rules([*kinds, *items]))


def environment() -> Environment:
    """Templates, escaping whatever a run put into them, with the filters for numbers."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        number=formatting.number,
        percent=formatting.percent,
        sort_key=formatting.sort_key,
        quantity=formatting.quantity,
        span=formatting.span,
        setting=formatting.setting,
        settings=formatting.settings,
        colour_class=colour_class,
    )
    return templates


def part(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    # Our own files, with nothing of the run in them: the only text that is not escaped.
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def policy_hash(text: str) -> str:
    """The hash by which a content security policy knows a style or script."""
    # For the content security policy: no script and no style but these two may act.
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
