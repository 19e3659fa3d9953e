"""m and theta: does a student attend by position or by content?

Order parameters of the solvable model (arXiv:2402.03902, section 3): m = <1, Q>/d with the
positional direction, theta = <Q*, Q>/d with the teacher, q = <Q, Q>/d.
"""

import math
from typing import TYPE_CHECKING

from mechprobe.probes.drawing import BLUE, GREY, ORANGE, blank
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult
from mechprobe.probes.teacher.context import NULL_DRAWS, TeacherContext
from mechprobe.probes.teacher.order import LEVEL, MOST_RANDOM, order_parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@probe(
    "order-parameters",
    metrics={
        "m": MetricSpec("|<1, Q>|/d, overlap with the positional direction", "1", 0),
        "m_error": MetricSpec("its finite-size standard error", "1", 0),
        "m_null": MetricSpec(
            f"what {MOST_RANDOM} of random Q of this size and d stay below", "1", 0
        ),
        "theta": MetricSpec("|<Q*, Q>|/d, overlap with the teacher", "1", 0),
        "theta_error": MetricSpec("its finite-size standard error", "1", 0),
        "theta_null": MetricSpec(
            f"what {MOST_RANDOM} of random Q of this size and d stay below", "1", 0
        ),
        "q": MetricSpec("|Q|²/d, the student's size", "1", 0),
        "q_error": MetricSpec("its finite-size standard error", "1", 0),
        "cos_positional": MetricSpec("cosine of Q and the positional direction", "1", 0, 1),
        "cos_semantic": MetricSpec("cosine of Q and the teacher", "1", 0, 1),
    },
    parameters=lambda: {"null_draws": NULL_DRAWS, "null_level": LEVEL},
    tasks=("attention-regression",),
)
def order_parameters_probe(context: TeacherContext) -> Measurement:
    """Overlaps of queries and keys with position and with the teacher, against chance."""
    found, o = order_parameters(context), context.overlaps
    # |Q^T Q| and not tr Q^T Q: a perfect student has cosine 1 at every rank.
    size = math.sqrt(o.q.norm().item()) or math.inf
    teacher = math.sqrt((context.Q_star.T @ context.Q_star).norm().item() / context.task.d)
    return Measurement(
        metrics={
            "m": found.m.value,
            "m_error": found.m.error,
            "m_null": found.m.threshold,
            "theta": found.theta.value,
            "theta_error": found.theta.error,
            "theta_null": found.theta.threshold,
            "q": found.q,
            "q_error": found.q_error,
            "cos_positional": min(1.0, found.m.value / size),
            "cos_semantic": min(1.0, found.theta.value / (size * teacher)) if teacher else None,
        },
        # In the principal axes of Q^T Q: a rotation that leaves Q Q^T unchanged.
        arrays={"m": o.m, "theta": o.theta, "q": o.q},
    )


@order_parameters_probe.figure
def _draw(result: ProbeResult) -> "Figure":
    from matplotlib.patches import Rectangle

    figure, (axes,) = blank(1)
    null = result.value("m_null"), result.value("theta_null")
    axes.add_patch(
        Rectangle((0, 0), *null, color=GREY, alpha=0.3, lw=0, label=f"{MOST_RANDOM} of chance")
    )
    m, theta = result.value("m"), result.value("theta")
    axes.errorbar(
        m, theta, xerr=result.value("m_error"), yerr=result.value("theta_error"),
        marker="o", color=BLUE, capsize=3, label="this model ± standard error",
    )  # fmt: skip
    axes.axline((0, 0), slope=1, color=ORANGE, ls=":", lw=1, label="m = θ")
    end = 1.25 * max(m + result.value("m_error"), theta + result.value("theta_error"), *null)
    axes.set(xlim=(0, end), ylim=(0, end), xlabel="m (positional)", ylabel="θ (semantic)")
    axes.set_title("Order parameters")
    axes.legend(fontsize=7, loc="upper right")
    return figure


@order_parameters_probe.words
def _say(result: ProbeResult) -> str:
    def one(name: str, symbol: str) -> str:
        value, error = result.value(name), result.value(f"{name}_error")
        above = "above" if value > result.value(f"{name}_null") else "within"
        return f"{symbol} = {value:.3f} ± {error:.3f}, {above} what chance gives at this d"

    return f"{one('m', 'm')}; {one('theta', 'θ')}."
