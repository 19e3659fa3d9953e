"""What was measured: every probe of a run once, with its numbers, its sources and its page."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata

from mechprobe.probes.registry import Probe
from mechprobe.probes.results import Metric, ModelResult
from mechprobe.reports.formatting import anchors

EVIDENCE = "evidence"


@dataclass(frozen=True)
class ProbeLine:
    """One version of a probe that took part, for the reproduction table."""

    name: str
    kind: str
    version: str
    package: str
    summary: str


def probe_lines(results: Sequence[ModelResult], probes: Mapping[str, Probe]) -> list[ProbeLine]:
    """Every probe of a run once for each version and package it came in."""
    lines = {
        ProbeLine(
            name=found.probe,
            kind=found.kind,
            version=found.provenance.version,
            package=found.provenance.package,
            summary=summary_of(probes.get(found.probe)),
        ): None
        for result in results
        for found in result.probes
    }
    return sorted(lines, key=lambda line: (line.name, line.version, line.package))


@dataclass(frozen=True)
class Entry:
    """One probe, and what its numbers mean.

    Args:
        name, anchor: of the probe, and fragment identifier of this entry.
        summary: in a line; empty where the probe is not installed here.
        about: what the module it comes from says of it, a paragraph each, sources included.
        page: address of its documentation; empty where its package names none.
        metrics: an example of each, by name.
    """

    name: str
    anchor: str
    summary: str
    about: list[str]
    page: str
    metrics: dict[str, Metric]


def glossary(results: Sequence[ModelResult], probes: Mapping[str, Probe]) -> list[Entry]:
    """The numbers behind the labels, then every probe of a run by name."""
    evidence: dict[str, Metric] = {}
    metrics: dict[str, dict[str, Metric]] = {}
    for result in results:
        evidence = {**result.label.evidence, **evidence}
        for found in result.probes:
            known = metrics.setdefault(found.probe, {})
            for name, metric in found.metrics.items():
                known.setdefault(name, metric)
    names = sorted(metrics)
    behind = Entry(EVIDENCE, f"label-{EVIDENCE}", "the numbers behind the labels", [], "", evidence)
    return [
        *([behind] if evidence else []),
        *(
            Entry(
                name,
                anchor,
                summary_of(probes.get(name)),
                _about(probes.get(name)),
                _page(probes.get(name)),
                metrics[name],
            )
            for name, anchor in zip(names, anchors(names, "probe"), strict=True)
        ),
    ]


def summary_of(probe: Probe | None) -> str:
    """What a probe measures, in a line; empty where it is not installed here."""
    return "" if probe is None else probe.summary


def _about(probe: Probe | None) -> list[str]:
    module = None if probe is None else sys.modules.get(probe.measure.__module__)
    text = getattr(module, "__doc__", None) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def _page(probe: Probe | None) -> str:
    """Ours has a page for each probe; of others' documentation only the address is known."""
    if probe is None:
        return ""
    base = documentation(probe.package.split(" ")[0])
    return f"{base}/probes/{probe.name}.html" if base and probe.is_ours else base


def documentation(package: str) -> str:
    """Where an installed package says that its documentation is; empty where it does not."""
    try:
        links = metadata(package).get_all("Project-URL") or []
    except (PackageNotFoundError, ValueError):
        return ""
    for link in links:
        label, _, address = link.partition(",")
        if label.strip().lower() == "documentation" and address.strip().startswith("https://"):
            return str(address.strip().rstrip("/"))
    return ""
