"""Keep one source of attention, positions or content: is it enough?"""

from typing import TYPE_CHECKING

from mechprobe.probes.counting.bars import accuracy_bars
from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.keeping import KEPT, answers_with
from mechprobe.probes.counting.source_runs import why_not_split
from mechprobe.probes.counting.sources import sources
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@probe(
    "keep-source",
    tasks=COUNTED,
    kind="causal",
    metrics={
        "accuracy": MetricSpec("accuracy of the untouched model", "1", 0, 1),
        "positional": MetricSpec("accuracy with the positional part alone", "1", 0, 1),
        "semantic": MetricSpec("accuracy without the positional part", "1", 0, 1),
        "neither": MetricSpec("accuracy of uniform attention", "1", 0, 1),
        "chance": MetricSpec("accuracy of the best constant answer", "1", 0, 1),
    },
    invariances=INVARIANCES,
)
def keep_source(context: CountContext) -> Measurement:
    """Accuracy with one source of attention kept in every head of every block."""
    split, task = sources(context), context.task
    kept: dict[str, float] = {
        part: task.accuracy(answers_with(context, split, part), context.tokens) for part in KEPT
    }
    chance = task.chance(context.tokens)
    return Measurement({"accuracy": context.accuracy, "chance": chance, **kept})


keep_source.applies(why_not_split)


@keep_source.figure
def _draw(result: ProbeResult) -> "Figure":
    bars = {f"{part}\nalone": result.value(part) for part in ("positional", "semantic")}
    bars["neither"] = result.value("neither")
    title = "Attention with one source kept"
    return accuracy_bars(bars, result.value("accuracy"), result.value("chance"), title)[0]


@keep_source.words
def _say(result: ProbeResult) -> str:
    return (
        f"Accuracy is {result.value('accuracy'):.2f}; with the positional part of attention alone"
        f" {result.value('positional'):.2f}, with the semantic part alone"
        f" {result.value('semantic'):.2f}, with uniform attention {result.value('neither'):.2f}."
    )
