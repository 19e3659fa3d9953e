"""How models that count are measured, labelled and shown."""

from collections.abc import Iterator

import torch

from mechprobe.models import (
    HistogramTask,
    HookedTransformer,
    TransformerConfig,
    construct,
)
from mechprobe.models.families import transformer
from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.kinds import AXES, TOKENS
from mechprobe.probes.counting.label.verdict import label_in
from mechprobe.probes.counting.label.verdict import version as version_of_rule
from mechprobe.probes.reading import Column, Item, TaskReading, task_reading
from mechprobe.probes.results import MechanismLabel

# Sizes of the conformance kit's models, and constructions: mixing with BOS, by comparing tokens,
# and by a constant matrix.
T, L = 6, 5
COUNTING = ("bos+sftm", "dot-lookup", "lin")
# Transformers with random weights: what a probe says of them has to be finite, no more.
TRANSFORMERS = {
    "two blocks of two heads": TransformerConfig.standard(
        T=T, L=L, d=8, p=12, n_layers=2, n_heads=2
    ),
    "tokens and positions in halves": TransformerConfig.positional_semantic(
        "only_pos", T=T, L=L, d=8, p=12
    ),
}


@task_reading("histogram")
class Counting(TaskReading):
    """Models that count tokens."""

    title = "Models that count"
    axes = AXES
    columns = (
        Column("Mechanism", lambda label: label.kind("counting")),
        Column("Attention", lambda label: label.kind("attention")),
        Column("Confidence", lambda label: label.certainty, "confidence"),
        Column("Counters", lambda label: label.counters, "number"),
        Column("Accuracy", lambda label: label.accuracy, "share"),
    )
    sizes = {
        "T": "alphabet size",
        "L": "sequence length",
        "d": "width of the embeddings",
        "p": "hidden neurons",
    }

    def context(self, model: HookedTransformer, task: HistogramTask, seed: int) -> CountContext:
        """Balanced sequences, count means, transport."""
        return CountContext(model, task, seed)

    def label(self, context: CountContext) -> MechanismLabel:
        """Which mechanism a model counts by, and what its attention depends on."""
        return label_in(context)

    def rule_version(self) -> str:
        """Of the rule, its constants and its calibration."""
        return version_of_rule()

    def subjects(self) -> Iterator[tuple[str, HookedTransformer]]:
        """Constructions, two untrained transformers, a counter in a TransformerBridge."""
        for name in COUNTING:
            yield name, construct(name, T=T, L=L)
        for name, shape in TRANSFORMERS.items():
            generator = torch.Generator().manual_seed(0)
            yield name, HookedTransformer(shape, transformer.initial(shape, generator))
        yield "a TransformerBridge", compiled_counter(T=T, L=L)

    def items(self, label: MechanismLabel) -> list[Item]:
        """Every token, and whose count it follows."""
        return [Item(kind, *TOKENS[kind]) for kind in label.tokens]
