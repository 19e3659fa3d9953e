"""Labels, results and probes as notebooks show them: short HTML, everything in it escaped."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from markupsafe import Markup

from mechprobe.models.base.errors import short
from mechprobe.probes.registry import PROBES
from mechprobe.probes.results import VIEWS, MechanismLabel, ModelResult, ProbeResult

if TYPE_CHECKING:
    from mechprobe.probes.registry import Probe

REASONS = 4  # that are shown; all are in `label.reasons`


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """A table with a row of headings."""
    top = Markup("").join(Markup('<th style="text-align:left">{}</th>').format(h) for h in head)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td style="text-align:left">{}</td>').format(_cell(value)) for value in row
            )
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(top, body)


def of_label(label: MechanismLabel) -> str:
    """Verdict, each axis with its confidence, and the first reasons."""
    axes = [(axis.name, axis.kind, axis.confidence, axis.reason) for axis in label.axes]
    return Markup("<p><b>{}</b></p>{}").format(
        label.verdict, table(("axis", "kind", "confidence", "why"), axes)
    )


def of_labels(labels: Mapping[str, MechanismLabel], problems: Mapping[str, str]) -> str:
    """A row a model, and why others have no label."""
    rows: list[Sequence[object]] = [
        (name, label.verdict, label.certainty, "") for name, label in labels.items()
    ]
    rows += [(name, "", None, why) for name, why in problems.items()]
    return table(("model", "verdict", "confidence", "problem" if problems else ""), rows)


def of_result(result: ProbeResult) -> str:
    """The probe's sentence, its metrics, and its figure where it has one."""
    rows = [
        (name, metric.value, "" if metric.unit == "1" else metric.unit, metric.description)
        for name, metric in result.metrics.items()
    ]
    return Markup("<p><b>{}</b> {}</p>{}{}").format(
        result.probe, result.words, table(("metric", "value", "unit", "what it is"), rows),
        _picture(result),
    )  # fmt: skip


def of_model(result: ModelResult) -> str:
    """Name, verdict, and the sentence of every probe."""
    rows = [(found.probe, found.words) for found in result.probes]
    rows += [("problem", problem) for problem in result.problems]
    return Markup("<p><b>{}</b></p>{}{}").format(
        result.name, Markup(of_label(result.label)), table(("probe", "in words"), rows)
    )


def of_models(title: str, results: Sequence[ModelResult]) -> str:
    """A row a model of a run."""
    rows = [(r.name, r.architecture, r.label.verdict, r.label.certainty) for r in results]
    return Markup("<p><b>{}</b></p>{}").format(
        title, table(("model", "architecture", "verdict", "confidence"), rows)
    )


def of_probes(probes: Iterable["Probe"]) -> str:
    """A row a probe."""
    rows = [(p.name, p.kind, ", ".join(p.tasks), p.summary, p.package) for p in probes]
    return table(("probe", "kind", "tasks", "what it measures", "from"), rows)


def _cell(value: object) -> object:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else value


def _picture(result: ProbeResult) -> Markup:
    known = PROBES.get(result.probe)
    if known is None or known.draw is None:
        return Markup("")
    try:
        figure = result.figure(width=None)
        drawn = BytesIO()
        figure.savefig(drawn, format="png", dpi=96, facecolor="white")
    except Exception as error:  # of others' probes; the numbers are there all the same
        return Markup("<p>No figure: {}</p>").format(short(str(error)))
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    alt = f"figure of {result.probe}"
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(alt, data)


VIEWS.add("label-html", of_label, __name__)
VIEWS.add("result-html", of_result, __name__)
VIEWS.add("model-html", of_model, __name__)
VIEWS.add("probes-html", of_probes, __name__)
