"""How well does a student regress onto its teacher, and is it better than no attention?

Generalisation error E|y - f|^2 / (2 d) and the dense linear baseline of arXiv:2402.03902.
"""

from typing import TYPE_CHECKING

from mechprobe.models.families.solvable import linear_population
from mechprobe.probes.drawing import BLUE, GREY, ORANGE, blank
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult
from mechprobe.probes.teacher.context import N_TEST, TeacherContext
from mechprobe.probes.teacher.removal import UNIT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_BASELINE = 65_536


@probe(
    "test-error",
    metrics={
        "error": MetricSpec("mean |y−f|²/2d on fresh sequences", UNIT, 0),
        "standard_error": MetricSpec("its standard error over sequences", UNIT, 0),
        "linear_error": MetricSpec("error of the best dense linear (positional) mixing", UNIT, 0),
        "uniform_error": MetricSpec("error of uniform attention", UNIT, 0),
        "over_linear": MetricSpec("error over linear_error; below 1 attention pays", "1", 0),
    },
    parameters=lambda: {"sequences": N_TEST, "baseline_sequences": N_BASELINE},
    tasks=("attention-regression",),
)
def generalisation_error(context: TeacherContext) -> Measurement:
    """Error on fresh sequences against the linear baseline and uniform attention."""
    errors = context.errors
    linear = linear_population(context.task, N_BASELINE, context.generator("baseline")).error
    return Measurement(
        metrics={
            "error": errors.mean(),
            "standard_error": errors.std() / len(errors) ** 0.5,
            "linear_error": linear,
            "uniform_error": context.errors_with([]).mean(),
            # A target that is linear itself leaves the baseline no error to compare with.
            "over_linear": errors.mean().item() / linear if linear > 1e-12 else None,
        }
    )


@generalisation_error.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (axes,) = blank(1)
    names = {"this model": "error", "linear": "linear_error", "uniform": "uniform_error"}
    drawn = axes.bar(
        list(names),
        [1e3 * result.value(name) for name in names.values()],
        yerr=[2e3 * result.value("standard_error"), 0, 0],
        color=(BLUE, ORANGE, GREY),
        capsize=4,
    )
    axes.bar_label(drawn, fmt="%.2f", fontsize=8, padding=3)
    axes.margins(y=0.12)
    axes.set(ylabel=f"test error {UNIT} (10⁻³)", title="Error ± two standard errors")
    return figure


@generalisation_error.words
def _say(result: ProbeResult) -> str:
    error, linear = 1e3 * result.value("error"), 1e3 * result.value("linear_error")
    better = "better" if error < linear else "no better"
    spread = 1e3 * result.value("standard_error")
    return (
        f"Test error {error:.2f} ± {spread:.2f} (10⁻³), {better} than the dense linear"
        f" baseline's {linear:.2f}."
    )
