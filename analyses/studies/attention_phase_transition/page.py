"""The page of the study: six parts, each a figure, what it shows, and numbers."""

from pathlib import Path

from mechprobe.analyses.studies.attention_phase_transition import (
    agreement,
    curves,
    planes,
    runs,
    tables,
    words,
)
from mechprobe.analyses.studies.attention_phase_transition.contents import PhaseTransition
from mechprobe.models.base.files import write_text
from mechprobe.probes.attention import ATTENTION
from mechprobe.reports.colours import colour_rules
from mechprobe.reports.layout import fill
from mechprobe.reports.parts import Part, drawn

TEMPLATES = Path(__file__).parent / "templates"


def write_page(study: PhaseTransition, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(path, render(study))
    return path


def render(study: PhaseTransition) -> str:
    """The study as one HTML page that loads nothing from elsewhere."""
    kinds = {f"a-{name}": kind.colour for name, kind in ATTENTION.kinds.items()}
    return fill(
        "page.html.j2",
        styles=["studies.css"],
        rules=colour_rules(kinds),
        folder=TEMPLATES,
        study=study,
        parts=parts(study),
    )


def parts(study: PhaseTransition) -> list[Part]:
    """All six, drawn."""
    return [
        drawn(
            "transition", f"(a) Two mechanisms, one transition (ω = {study.omega:g})",
            words.transition(study), curves.order_parameters(study),
            "Four panels against alpha: m, theta, training loss and test error of both branches,"
            " theory as lines, experiments as marks",
            tables.numbers(study),
        ),
        drawn(
            "plane", "(b) Where each mechanism wins: the (α, ω) plane",
            words.plane(study), planes.phase_planes(study),
            "Two maps over alpha and omega: difference of the branches' losses, and of the global"
            " minimum's test error to the linear baseline",
        ),
        drawn(
            "scores", "(c) How well experiments and theory agree",
            agreement.scores(study), curves.z_scores(study),
            "Four panels of z-scores against alpha, for our minima and the published runs",
            tables.verdicts(study), tables.agreement(study), tables.endings(study),
        ),
        drawn(
            "scaling", "(d) Finite size",
            words.scaling(study), runs.scaling(study),
            "Deviation from theory, and spread over runs, against one over the square root of d",
            tables.finite_size(study),
        ),
        drawn(
            "mixings", "(e) Both examples of A",
            words.mixings(study), curves.both_mixings(study),
            "m, theta and training loss against alpha for both matrices A",
        ),
        drawn(
            "dynamics", "(f) Where gradient descent goes",
            words.dynamics(study), runs.dynamics(study),
            "Paths of gradient descent in the plane of m and theta, and the share of runs that"
            " end at each minimum against alpha",
        ),
    ]  # fmt: skip
