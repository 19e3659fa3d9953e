"""The page of the study: six parts, each a figure, what it shows, and numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from models.files import write_text
from reports.attention import agreement, curves, planes, runs, tables, words
from reports.attention.study import Study
from reports.attention.tables import Table
from reports.figures import Image, to_data_uri
from reports.page import environment, part, policy_hash

BUDGET = 100_000  # bytes of a figure; six of them may take more than the hundreds of a report


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Args:
        anchor, title: of its heading.
        image, alt: its figure, and the figure in words.
        says: paragraphs.
        tables: below.
    """

    anchor: str
    title: str
    image: Image
    alt: str
    says: list[str]
    tables: list[Table] = field(default_factory=list)


def write_page(study: Study, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(path, render(study))
    return path


def render(study: Study) -> str:
    """The study as one HTML page that loads nothing from elsewhere."""
    style = part("report.css") + part("attention.css")
    return (
        environment()
        .get_template("attention.html.j2")
        .render(study=study, parts=parts(study), style=style, style_hash=policy_hash(style))
    )


def parts(study: Study) -> list[Part]:
    """All six, drawn."""
    return [
        _part(
            "transition", f"(a) Two mechanisms, one transition (ω = {study.omega:g})",
            curves.order_parameters, study, words.transition(study),
            "Four panels against alpha: m, theta, training loss and test error of both branches,"
            " theory as lines, experiments as marks",
            [tables.numbers(study)],
        ),
        _part(
            "plane", "(b) Where each mechanism wins: the (α, ω) plane",
            planes.phase_planes, study, words.plane(study),
            "Two maps over alpha and omega: difference of the branches' losses, and of the global"
            " minimum's test error to the linear baseline",
        ),
        _part(
            "scores", "(c) How well experiments and theory agree",
            curves.z_scores, study, agreement.scores(study),
            "Four panels of z-scores against alpha, for our minima and the published runs",
            [tables.verdicts(study), tables.agreement(study), tables.endings(study)],
        ),
        _part(
            "scaling", "(d) Finite size",
            runs.scaling, study, words.scaling(study),
            "Deviation from theory, and spread over runs, against one over the square root of d",
            [tables.finite_size(study)],
        ),
        _part(
            "mixings", "(e) Both examples of A",
            curves.both_mixings, study, words.mixings(study),
            "m, theta and training loss against alpha for both matrices A",
        ),
        _part(
            "dynamics", "(f) Where gradient descent goes",
            runs.dynamics, study, words.dynamics(study),
            "Paths of gradient descent in the plane of m and theta, and the share of runs that"
            " end at each minimum against alpha",
        ),
    ]  # fmt: skip


def _part(
    anchor: str,
    title: str,
    draw: Callable[[Study], Figure],
    study: Study,
    says: list[str],
    alt: str,
    below: list[Table] | None = None,
) -> Part:
    return Part(anchor, title, to_data_uri(draw(study), BUDGET), alt, says, below or [])
