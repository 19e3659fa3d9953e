"""Which causal model of attention a student carries out: are its queries made from positions, from
tokens along the teacher, or from both (see probes/teacher/interchanged_fields.py)?"""

from typing import TYPE_CHECKING

from mechprobe.probes.mixing_shown import bars, words
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult
from mechprobe.probes.teacher import interchanged_fields as fields
from mechprobe.probes.teacher.context import TeacherContext

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@probe(
    "interchange-fields",
    kind="causal",
    metrics={name: MetricSpec(text, "1", 0, 1) for name, text in fields.told().items()},
    parameters=lambda: {"sequences": fields.SEQUENCES, "least": fields.LEAST},
    tasks=("attention-regression",),
)
def interchange_fields(context: TeacherContext) -> Measurement:
    """Interchange what positions and tokens give to the queries: whose answers come out?"""
    return Measurement(fields.numbers(context))


@interchange_fields.figure
def _draw(result: ProbeResult) -> "Figure":
    return bars(result, "change of the answers explained")


@interchange_fields.words
def _say(result: ProbeResult) -> str:
    return words(result, fields.INTRO)
