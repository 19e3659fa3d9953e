"""The report of a run as HTML: a template filled with it, everything it needs inside one file."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mechprobe.probes.registry import all_probes
from mechprobe.probes.results import ModelResult, RunInfo
from mechprobe.reports.colours import NEUTRAL, colour_class, colour_rules, kind_rules
from mechprobe.reports.figures import COMPACT, FULL
from mechprobe.reports.glossary import glossary, probe_lines
from mechprobe.reports.layout import fill
from mechprobe.reports.overview import Filters, Table, explained, overview
from mechprobe.reports.own import Own
from mechprobe.reports.sections import most_doubtful, sections


def render(
    info: RunInfo,
    results: Sequence[ModelResult],
    *,
    compact: bool = False,
    own: Sequence[Own] = (),
    tags: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Lay a run out as one HTML page that loads nothing from elsewhere.

    Figures come from the probes registered here. A probe that is missing or whose figure
    fails leaves a note in its place.

    Args:
        info: how the run was made.
        results: its models, in the order they shall stand.
        compact: fewer and smaller figures, and numbers without their meanings, which stand once.
        own: more sections.
        tags: of models, by name.
    """
    probes = all_probes()
    models = sections(results, probes, COMPACT if compact else FULL, tags)
    tables = overview(models)
    entries = glossary(results, probes)
    return fill(
        "report.html.j2",
        styles=["studies.css"],
        scripts=["report.js"],
        rules=kind_style(tables),
        info=info,
        sections=models,
        opened=most_doubtful(models),
        probes=probe_lines(results, probes),
        entries=entries,
        about={entry.name: entry.anchor for entry in entries},
        tables=tables,
        explained=explained(tables),
        filters=Filters.of(tables, [tag for one in own for tag in one.tags]),
        own=own,
        compact=compact,
    )


def kind_style(tables: Sequence[Table]) -> str:
    """Style rules for the kinds and items of a run."""
    kinds = [k for table in tables for axis in table.shown.axes for k in axis.kinds.values()]
    items = [item for table in tables for section in table.sections for item in section.items]
    # Colours of readings have been checked to be colours: the rules hold no other text.
    return colour_rules({colour_class(NEUTRAL): NEUTRAL}) + kind_rules([*kinds, *items])
