"""Take the positional encodings out of queries and keys: does attention need them?"""

from typing import TYPE_CHECKING

from mechprobe.probes.registry import Measurement, probe
from mechprobe.probes.results import ProbeResult
from mechprobe.probes.teacher.context import TeacherContext
from mechprobe.probes.teacher.removal import bars, removal, sentence, specs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PART = "positional"


@probe(
    "remove-positional",
    kind="causal",
    metrics=specs(PART),
    tasks=("attention-regression",),
)
def remove_positional(context: TeacherContext) -> Measurement:
    """Test error when queries and keys no longer see the positions."""
    return removal(context, PART)


@remove_positional.figure
def _draw(result: ProbeResult) -> "Figure":
    return bars(result, PART)


@remove_positional.words
def _say(result: ProbeResult) -> str:
    return sentence(result, PART)
