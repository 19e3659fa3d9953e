"""Which causal model of attention a network carries out: are its mixing weights made from
positions, from tokens, or from both (see probes/counting/interchanged_weights.py)?"""

from typing import TYPE_CHECKING

from mechprobe.models import HistogramTask
from mechprobe.probes.counting import interchanged_weights as weights
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.mixing import lacks
from mechprobe.probes.invariances import all_but
from mechprobe.probes.mixing_shown import bars, words
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer

TELLING = "answers after interchanges on which the causal models do not agree"


@probe(
    "interchange-mixing",
    kind="causal",
    metrics={name: MetricSpec(text, "1", 0, 1) for name, text in weights.told().items()}
    | {"telling": MetricSpec(TELLING, "1", 0, 1)},
    parameters=lambda: {"sequences": weights.SEQUENCES, "least": weights.LEAST},
    # An untrained network of another width is another control.
    invariances=all_but("split_neurons", "add_dead_neurons"),
)
def interchange_mixing(context: CountContext) -> Measurement:
    """Interchange what positions and tokens give to attention: whose answers come out?"""
    found = weights.interchange(context, ("shuffled", "random"))
    return Measurement({**weights.beside(context, found), "telling": found.share})


@interchange_mixing.applies
def _needs_weights(model: "HookedTransformer", task: HistogramTask) -> str | None:
    return lacks(model, "weights")


@interchange_mixing.figure
def _draw(result: ProbeResult) -> "Figure":
    return bars(result, "answers as predicted")


@interchange_mixing.words
def _say(result: ProbeResult) -> str:
    return words(result, weights.INTRO)
