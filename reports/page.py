"""The page: a template filled with a run, everything it needs inside one file."""

from collections import Counter, defaultdict
from pathlib import Path

from mechprobe.models.base.files import write_text
from mechprobe.probes.registry import all_probes
from mechprobe.probes.results import ModelResult, RunInfo
from mechprobe.probes.runs import load_run
from mechprobe.reports import vocabulary
from mechprobe.reports.layout import fill
from mechprobe.reports.sections import overview, probe_lines, sections

REPORT_FILE = "report.html"


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
    counts: Counter[str] = Counter(
        r.label.mechanism for r in results if r.label.mechanism is not None
    )
    # Models that do not count are told apart by their attention.
    attending: Counter[str] = Counter(
        r.label.attention for r in results if r.label.mechanism is None
    )
    shown = sections(results, probes)
    return fill(
        "report.html.j2",
        scripts=["report.js"],
        info=info,
        sections=shown,
        probes=probe_lines(results, probes),
        counts={kind: counts[kind] for kind in vocabulary.MECHANISMS} if counts else {},
        attending={kind: n for kind in vocabulary.ATTENTION if (n := attending[kind])},
        tables=overview(shown),
        size_meanings=defaultdict(str, vocabulary.SIZES),
        mechanisms=vocabulary.MECHANISMS,
        attention=vocabulary.ATTENTION,
        tokens=vocabulary.TOKENS,
        meaning=vocabulary.meaning,
    )
