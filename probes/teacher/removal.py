"""What a student's attention is worth without one part of its queries and keys, and by it alone."""

from typing import TYPE_CHECKING

from mechprobe.probes.drawing import BLUE, GREEN, GREY, ORANGE, blank
from mechprobe.probes.registry import Measurement, MetricSpec
from mechprobe.probes.results import ProbeResult
from mechprobe.probes.teacher.context import PARTS, TeacherContext

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNIT = "|y−f|²/2d"


def specs(part: str) -> dict[str, MetricSpec]:
    """Declaration of the metrics of `removal`."""
    return {
        "error_before": MetricSpec("test error of the untouched model", UNIT, 0),
        "error_after": MetricSpec(f"test error without the {part} part", UNIT, 0),
        "error_alone": MetricSpec(f"test error with the {part} part alone", UNIT, 0),
        "error_uniform": MetricSpec("test error of uniform attention", UNIT, 0),
        "standard_error": MetricSpec("of error_after less error_before", UNIT, 0),
        "needed": MetricSpec("error_after less error_before, over error_uniform", "1"),
        "gain_alone": MetricSpec("error_uniform less error_alone, over error_uniform", "1"),
    }


def removal(context: TeacherContext, part: str) -> Measurement:
    """Errors with a part of the fields removed through hook_q and hook_k, and with it alone."""
    before = context.errors
    after = context.errors_with(name for name in PARTS if name != part)
    alone, uniform = context.errors_with([part]).mean(), context.errors_with([]).mean()
    change = after - before
    return Measurement(
        metrics={
            "error_before": before.mean(),
            "error_after": after.mean(),
            "error_alone": alone,
            "error_uniform": uniform,
            "standard_error": change.std() / len(change) ** 0.5,
            "needed": change.mean() / uniform,
            "gain_alone": (uniform - alone) / uniform,
        }
    )


def bars(result: ProbeResult, part: str) -> "Figure":
    """The four errors side by side."""
    figure, (axes,) = blank(1)
    names = {
        "untouched": ("error_before", BLUE),
        "without it": ("error_after", ORANGE),
        "by it alone": ("error_alone", GREEN),
        "uniform": ("error_uniform", GREY),
    }
    values = [1e3 * result.value(metric) for metric, _ in names.values()]
    drawn = axes.bar(list(names), values, color=[colour for _, colour in names.values()])
    axes.bar_label(drawn, fmt="%.2f", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.margins(y=0.12)
    axes.set(ylabel=f"test error {UNIT} (10⁻³)", title=f"Attention and its {part} part")
    return figure


def sentence(result: ProbeResult, part: str) -> str:
    """The effect in words."""
    before, after = 1e3 * result.value("error_before"), 1e3 * result.value("error_after")
    alone, uniform = 1e3 * result.value("error_alone"), 1e3 * result.value("error_uniform")
    return (
        f"Without the {part} part of its attention the model's test error goes from"
        f" {before:.2f} to {after:.2f} (10⁻³); by that part alone it is {alone:.2f}, with uniform"
        f" attention {uniform:.2f}."
    )
